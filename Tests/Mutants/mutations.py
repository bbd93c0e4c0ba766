"""Small wrong changes of a line of C, OpenCL C or Swift."""
import re

OPERATORS = [
    (r"(?<=[\w\])]) \+ (?=[\w(*-])", " - "), (r"(?<=[\w\])]) - (?=[\w(*])", " + "),
    (r"(?<=[\w\])]) \* (?=[\w(*-])", " / "), (r"(?<=[\w\])]) / (?=[\w(])", " * "),
    (r" < ", " <= "), (r" > ", " >= "), (r" <= ", " < "), (r" >= ", " > "), (r" == ", " != "), (r" != ", " == "),
    (r" && ", " || "), (r" \|\| ", " && "), (r" \+= ", " -= "), (r" -= ", " += "), (r" \? ", " != 0 ? 0 * "),
    (r"\bmax\(", "min("), (r"\bmin\(", "max("), (r"\.\.<", "..."),
]
CONSTANT = r"(?<![\w.\"\]])\d+(\.\d+f?)?(?![\w.\"])"
INDEX = r"(?<=\w)\[([^\[\]]+)\]"
BOUNDS = [(r"; (\w+) < ([\w>.-]+);", r"; \1 < \2 - 1;"), (r"0\.\.<(\w+)", r"1..<\1"), (r"; (\w+)\+\+\)", r"; \1 += 2)")]
STATEMENT = re.compile(r"^\s*[\w*(][^{}]*[^{},]$")
SWIFT_STATEMENT = re.compile(r"^\s+(\w[\w.\[\] +*-]* [-+*/]?= [^{]+|\w[\w.]*\([^{]*\))$")
SKIPPED = re.compile(r"^\s*(//|/\*|\*|#|import|public init|case SB_|typedef|extern|package|public func|func |static const char)")


def code_part(line):
    """The line without its comment."""
    return re.split(r"\s//|/\*", line)[0].rstrip()


def mutations_of(line, is_swift):
    """(what, new line) for each small change of the line; new line None: it is left out."""
    code = code_part(line)
    if not code.strip() or SKIPPED.match(code) or '"' in code:
        return []
    found, rest = [], line[len(code):]
    # Neither signatures nor declarations without a value.
    if re.match(r"^(static|const|}|struct|enum|extension|final)", code):
        return []

    def replace(kind, pattern, new):
        for match in re.finditer(pattern, code):
            text = match.expand(new) if isinstance(new, str) else new(match)
            changed = code[: match.start()] + text + code[match.end():]
            if changed != code:
                found.append((kind, changed + rest))

    for pattern, new in OPERATORS:
        if is_swift and pattern in (r" \? ",) or not is_swift and pattern == r"\.\.<":
            continue
        replace("operator", pattern, new.replace("\\", "\\\\"))

    def other(match):
        text = match.group(0)
        return re.sub(r"[\d.]+", lambda m: repr(float(m.group(0)) * 1.5), text, count=1) if "." in text else str(int(text) + 1)

    replace("constant", CONSTANT, other)
    replace("index", INDEX, lambda m: f"[{m.group(1)} + 1]")
    for pattern, new in BOUNDS:
        replace("loop bound", pattern, new)
    if is_swift and SWIFT_STATEMENT.match(code) or not is_swift and STATEMENT.match(code) and code.endswith(";"):
        if not re.match(r"^\s*(return|break|continue|let|var|float|int|int64_t|int32_t|double|uint\w+|const|lanes\w*|guard|try)\b", code):
            found.append(("dropped line", None))
    return found
