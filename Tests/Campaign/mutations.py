"""How sound files are damaged: anywhere, or behind their checksums, which are then made to fit."""
import copy, json, re, struct

# In place of a number or any other part of a JSON value.
VALUES = [None, True, False, -1, 0, 1, 2**31, 2**53, 2**62, 2**63, -2**63, 2**48 + 1, 1e300, -1e300, 5e-324, 0.5, "x", "",
          "inf", "nan", "é\u0301\0", [], {}, [{}], [[]], ["a"] * 3, [-1], [2**40, 2**40], [0, 2**62]]
NUMBERS = ["-1", "0", "-0", "1", "2", "7", "65536", "2147483648", "4294967295", "9223372036854775807",
           "9223372036854775808", "-9223372036854775808", "1e999", "-1e999", "1e-999", "1e308", "0.5", "nan", "inf", "0x10",
           "1_000", "1" * 400, "+3", "1.", ".5", "1e", "٣"]
TEXTS = ["\0", "\ufeff", "\r\n", "\r", "\n\n\n", "\t", '"', "'", "{", "}", "[", "]", ",", ":", ": ", "- ", "#", "%", "@",
         "&a ", "*a", "<<: ", "!!binary ", "!!float ", "? ", "| ", "---\n", "...\n", "[" * 3000, "{a: " * 3000, '"' * 301,
         "é" * 100,
         "\u202e", "\ud7ff", "😀", ";" * 50, " " * 5000, "a" * 70000, "\x1b[31m", "null", "true", "~"]


def fnv(*parts):
    value = 0xcbf29ce484222325
    for part in parts:
        for byte in part:
            value = (value ^ byte) * 0x100000001b3 & 0xFFFFFFFFFFFFFFFF
    return value


BYTES = [b"\0" * 8, b"\xff" * 8, b"-1", b"1e999", b"9223372036854775807"]


class Mutations:
    def __init__(self, random):
        self.random = random

    def some(self, *ways):
        """One of these ways to mutate, of which each takes the data."""
        return lambda data: self.random.choice(ways)(data)

    # -- any file

    def bytes(self, data):
        data = bytearray(data)
        for _ in range(self.random.choice([1, 1, 2, 5])):
            if not data:
                break
            at = self.random.randrange(len(data))
            match self.random.randrange(6):
                case 0: data[at] = self.random.randrange(256)
                case 1: del data[at:at + self.random.randrange(1, 40)]
                case 2: data[at:at] = self.random.randbytes(self.random.randrange(1, 9))
                case 3: data[at:at + 8] = self.random.choice(BYTES)
                case 4: data = data[:at]
                case 5: data[at:at] = data[self.random.randrange(len(data)):][:self.random.randrange(1, 200)]
        return bytes(data)

    def head(self, data):
        """Only the first kilobyte is mutated, or the end is cut off."""
        if self.random.random() < 0.2:
            return data[:self.random.randrange(len(data))]
        return self.bytes(data[:1024]) + data[1024:]

    # -- text

    def light(self, data):
        """A word or number becomes another one of the file or a small number, often wherever it stands: much of what
        comes of it is sound."""
        text = data.decode(errors="replace")
        tokens = re.findall(r"[-+]?\d+\.\d+|\d+|[^\W\d]\w*", text) or ["1"]
        for _ in range(self.random.choice([1, 1, 2])):
            old = self.random.choice(tokens)
            new = self.random.choice(
                [self.random.choice(tokens), str(self.random.randrange(12)), self.random.choice(NUMBERS)])
            if self.random.random() < 0.4:
                text = re.sub(rf"(?<!\w){re.escape(old)}(?!\w)", lambda _: new, text)
            else:
                at = self.random.choice([match.start() for match in re.finditer(re.escape(old), text)] or [0])
                text = text[:at] + new + text[at + len(old):]
        return text.encode(errors="replace")

    def text(self, data):
        if self.random.random() < 0.5:
            return self.light(data)
        text = data.decode(errors="surrogateescape")
        for _ in range(self.random.choice([1, 1, 1, 2, 4])):
            text = self.change(text)
        data = text.encode(errors="surrogatepass" if self.random.random() < 0.01 else "replace")
        return self.bytes(data) if self.random.random() < 0.1 else data

    def change(self, text):
        def place(pattern):
            found = [match.span() for match in re.finditer(pattern, text)]
            return self.random.choice(found) if found else (0, 0)

        def replaced(span, new):
            return text[:span[0]] + new + text[span[1]:]

        lines = text.split("\n")
        line, other = self.random.randrange(len(lines)), self.random.randrange(len(lines))
        match self.random.randrange(9):
            case 0 | 1: return replaced(place(r"[-+]?\d[\d.e+-]*"), self.random.choice(NUMBERS))
            case 2: return replaced(place(r"\w+"), text[slice(*place(r"\w+"))])
            case 3: return replaced(place(r"\w+"), "")
            case 4: return replaced(place(r"[^\w\s]"), self.random.choice(TEXTS))
            case 5: return replaced([self.random.randint(0, len(text))] * 2, self.random.choice(TEXTS))
            case 6: del lines[line]
            case 7: lines.insert(other, lines[line])
            case 8: lines[line], lines[other] = lines[other], " " * self.random.randrange(6) + lines[line].lstrip()
        return "\n".join(lines)

    # -- JSON

    def tree(self, value):
        """A JSON value with one of its parts changed."""
        value = [copy.deepcopy(value)]
        places = []

        def walk(parent):
            for key in parent if isinstance(parent, dict) else range(len(parent)):
                places.append((parent, key))
                if isinstance(parent[key], (dict, list)):
                    walk(parent[key])

        walk(value)
        parent, key = self.random.choice(places)
        old = parent[key]
        match self.random.randrange(6):
            case 0 | 1 | 2: parent[key] = copy.deepcopy(self.random.choice(VALUES))
            case 3 if value[0] is not parent[key]: del parent[key]
            case 4:
                other, name = self.random.choice(places)
                parent[key] = copy.deepcopy(other[name])
            case 5 if isinstance(old, list): parent[key] = old + copy.deepcopy(old)
            case 5 if isinstance(old, str): parent[key] = self.change(old).encode(errors="replace").decode()
            case 5 if isinstance(old, (int, float)): parent[key] = old + self.random.choice([-1, 1, 1e9, -old])
        return value[0] if value else None

    def json(self, data):
        return json.dumps(self.tree(json.loads(data))).encode()

    def json_lines(self, data):
        lines = data.split(b"\n")
        at = self.random.randrange(len(lines))
        if lines[at]:
            lines[at] = self.json(lines[at])
        return b"\n".join(lines)

    # -- safetensors

    def safetensors(self, checksum):
        """Something in the header or the tensors changed, and a checksum that fits."""
        def mutate(data):
            header, body = parts(data)
            meta = header["__metadata__"]
            objects = [key for key in meta if meta[key].startswith("{")]
            match self.random.randrange(6):
                case 0 | 1 | 2 if objects:
                    key = self.random.choice(objects)
                    meta[key] = json.dumps(self.tree(json.loads(meta[key])))
                case 3:
                    key = self.random.choice([key for key in meta if key != "checksum"])
                    meta[key] = self.change(meta[key])
                case 4:
                    body = self.bytes(body) if self.random.random() < 0.3 else self.overwritten(body)
                case _:
                    name = self.random.choice([name for name in header if name != "__metadata__"])
                    header[name] = self.tree(header[name])
            return packed(header, body, checksum)
        return mutate

    def overwritten(self, body):
        """Weights that are infinite, no numbers, or huge."""
        body = bytearray(body)
        for _ in range(self.random.choice([1, 3, 30])):
            at = 4 * self.random.randrange(max(1, len(body) // 4))
            body[at:at + 4] = struct.pack("<f", self.random.choice([float("inf"), float("nan"), 3e38, -3e38, 1e-45, 0, -1]))
        return bytes(body)

    # -- the host's store

    def store(self, change):
        """The contents changed, behind a checksum that fits."""
        def mutate(data):
            contents = change(data[8:])
            return struct.pack("<Q", fnv(contents)) + contents
        return mutate


# -- safetensors, and the checksums of what is made of them

def parts(data):
    """The header and the tensors' bytes."""
    length = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8:8 + length]), data[8 + length:]


def packed(header, body, checksum):
    header["__metadata__"]["checksum"] = checksum(header, body)
    text = json.dumps(header).encode(errors="replace")
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


def repacked(data, change, checksum):
    """With other metadata."""
    header, body = parts(data)
    change(header["__metadata__"])
    return packed(header, body, checksum)


def tensors(header, body):
    """Name, type with shape, and bytes, as far as the header has them."""
    for name in sorted(name for name in header if name != "__metadata__"):
        entry = header[name]
        try:
            first, end = entry["data_offsets"]
            kind, content = f"{entry['dtype']} {entry['shape']}", body[first:end]
        except (TypeError, ValueError, KeyError):
            kind, content = "", b""
        yield name.encode(errors="replace"), kind.encode(errors="replace"), content


def texts(header, *keys):
    return [str(header["__metadata__"].get(key) or "").encode(errors="replace") for key in keys]


def checkpoint_checksum(header, body):
    mixed = texts(header, "position", "data")
    for name, _, content in tensors(header, body):
        mixed += [name, content]
    return f"{fnv(*mixed):x}"


def model_checksum(header, body):
    # Texts have a mark at their end.
    mixed = [text + b"\xff" for text in texts(header, "format", "program", "samples", "weights")]
    for name, kind, content in tensors(header, body):
        mixed += [name + b"\xff", kind + b"\xff", content]
    return f"{fnv(*mixed):x}"
