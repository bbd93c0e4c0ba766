"""Whether findings name the fault that was planted."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Verdict:
    # A finding of an expected rule is there; one names the cause, and none another.
    found: bool
    right: bool
    # Findings of rules that have nothing to do with the fault.
    unrelated: tuple
    # Of all.
    count: int


def judge(fault, findings):
    rules = {each.rule for each in fault.expected}
    right = [finding for finding in findings
             if any(each.rule == finding["rule"] and names_cause(each, finding) for each in fault.expected)]
    # A rule that may also follow from the fault may do so with another cause.
    misnamed = [finding for finding in findings
                if finding not in right and finding["rule"] in rules and finding["rule"] not in fault.also]
    unrelated = [finding["rule"] for finding in findings
                 if finding not in right and finding not in misnamed and not _follows(fault, finding)]
    if fault.kind == "kernel":
        # Whatever else is seen, the network is not to blame.
        unrelated += [finding["rule"] for finding in findings
                      if finding.get("proof", {}).get("verdict") == "network" and finding["rule"] not in unrelated]
    return Verdict(bool(right or misnamed), bool(right) and not misnamed, tuple(unrelated), len(findings))


def _follows(fault, finding):
    return finding["rule"] in fault.also or fault.kind == "kernel" and finding.get("cause") == "backend"


def names_cause(expected, finding):
    places = [*finding.get("layers", []), finding.get("subject") or ""]
    return (
        (not expected.causes or finding.get("cause") in expected.causes)
        and (not expected.part or most_at_fault(finding) == expected.part)
        and (not expected.layer or any(expected.layer in place for place in places))
        and all(word in finding["message"] for word in expected.says)
        and (not expected.operations or not operations(finding.get("proof", {})).isdisjoint(expected.operations)))


def operations(proof):
    """What a label may mean: `layers.2.conv2d/backwardFilter` leaves out what the layer's path says already."""
    (label, path) = (proof.get("operation", ""), proof.get("path", ""))
    behind = label.removeprefix(path).removeprefix("/")
    kind = path.split(".")[-1]
    return {behind, "/".join(part for part in (kind, behind) if part)}


def most_at_fault(finding):
    """Who takes most of a gradient that vanishes, or gives most to one that explodes."""
    evidence = finding["evidence"]
    if "decadesPerStep" in evidence:
        return "time"
    sign = -1 if finding["rule"] == "vanishingGradient" else 1
    parts = {key.removesuffix("Decades"): sign * value for key, value in evidence.items() if key.endswith("Decades")}
    return max(parts, key=parts.get) if parts else ""
