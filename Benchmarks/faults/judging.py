"""Whether findings name the fault that was planted."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Verdict:
    # A finding of an expected rule is there, and each of them names the cause.
    found: bool
    right: bool
    # Findings of rules that have nothing to do with the fault.
    unrelated: tuple
    # Of all.
    count: int


def judge(fault, findings):
    named = [finding for finding in findings if any(each.rule == finding["rule"] for each in fault.expected)]
    unrelated = [finding["rule"] for finding in findings if finding not in named and not _follows(fault, finding)]
    if fault.kind == "kernel":
        # Whatever else is seen, the network is not to blame.
        unrelated += [finding["rule"] for finding in findings
                      if finding.get("proof", {}).get("verdict") == "network" and finding["rule"] not in unrelated]
    right = bool(named) and all(
        any(each.rule == finding["rule"] and names_cause(each, finding) for each in fault.expected) for finding in named)
    return Verdict(bool(named), right, tuple(unrelated), len(findings))


def _follows(fault, finding):
    return finding["rule"] in fault.also or fault.kind == "kernel" and finding.get("cause") == "backend"


def names_cause(expected, finding):
    proof = finding.get("proof", {})
    operation = proof.get("operation", "")
    places = [*finding.get("layers", []), finding.get("subject") or ""]
    return (
        (not expected.causes or finding.get("cause") in expected.causes)
        and (not expected.part or most_at_fault(finding) == expected.part)
        and (not expected.layer or any(expected.layer in place for place in places))
        and all(word in finding["message"] for word in expected.says)
        # `layers.2.conv2d/backwardFilter`: the layer's path may itself hold the word before the operation's.
        and (not expected.operation or _is_of(expected.operation, operation)))


def _is_of(expected, operation):
    return operation == expected or operation.endswith("/" + expected) or f"/{expected} " in operation \
        or operation.endswith("." + expected) or expected in operation.split("/")


def most_at_fault(finding):
    """Who takes most of a gradient that vanishes, or gives most to one that explodes."""
    evidence = finding["evidence"]
    if "decadesPerStep" in evidence:
        return "time"
    sign = -1 if finding["rule"] == "vanishingGradient" else 1
    parts = {key.removesuffix("Decades"): sign * value for key, value in evidence.items() if key.endswith("Decades")}
    return max(parts, key=parts.get) if parts else ""
