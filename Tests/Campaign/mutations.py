"""How sound files are damaged: anywhere, or behind their checksums, which are then made to fit."""
import copy, gzip, json, re, struct, zlib

# In place of a number or any other part of a JSON value.
VALUES = [None, True, False, -1, 0, 1, 2**31, 2**53, 2**62, 2**63, -2**63, 2**48 + 1, 1e300, -1e300, 5e-324, 0.5, "x", "",
          "inf", "nan", "é\u0301\0", [], {}, [{}], [[]], ["a"] * 3, [-1], [2**40, 2**40], [0, 2**62]]
NUMBERS = ["-1", "0", "-0", "1", "2", "7", "65536", "2147483648", "4294967295", "9223372036854775807",
           "9223372036854775808", "-9223372036854775808", "1e999", "-1e999", "1e-999", "1e308", "0.5", "nan", "inf", "0x10",
           "1_000", "1" * 400, "+3", "1.", ".5", "1e", "٣"]
TEXTS = ["\0", "\ufeff", "\r\n", "\r", "\n\n\n", "\t", '"', "'", "{", "}", "[", "]", ",", ":", ": ", "- ", "#", "%", "@", "&a ",
         "*a", "<<: ", "!!binary ", "!!float ", "? ", "| ", "---\n", "...\n", "[" * 3000, "{a: " * 3000, '"' * 301, "é" * 100,
         "\u202e", "\ud7ff", "😀", ";" * 50, " " * 5000, "a" * 70000, "\x1b[31m", "null", "true", "~"]


def fnv(*parts):
    value = 0xcbf29ce484222325
    for part in parts:
        for byte in part:
            value = (value ^ byte) * 0x100000001b3 & 0xFFFFFFFFFFFFFFFF
    return value


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
                case 3: data[at:at + 8] = self.random.choice([b"\0" * 8, b"\xff" * 8, b"-1", b"1e999", b"9223372036854775807"])
                case 4: data = data[:at]
                case 5: data[at:at] = data[self.random.randrange(len(data)):][:self.random.randrange(1, 200)]
        return bytes(data)

    def head(self, data):
        """Only the first kilobyte is mutated, or the end is cut off."""
        return self.bytes(data[:1024]) + data[1024:] if self.random.random() < 0.8 else data[:self.random.randrange(len(data))]

    # -- text

    def light(self, data):
        """A word or number becomes another one of the file or a small number, often wherever it stands: much of what
        comes of it is sound."""
        text = data.decode(errors="replace")
        tokens = re.findall(r"[-+]?\d+\.\d+|\d+|[^\W\d]\w*", text) or ["1"]
        for _ in range(self.random.choice([1, 1, 2])):
            old = self.random.choice(tokens)
            new = self.random.choice([self.random.choice(tokens), str(self.random.randrange(12)), self.random.choice(NUMBERS)])
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
            length = struct.unpack("<Q", data[:8])[0]
            header, body = json.loads(data[8:8 + length]), data[8 + length:]
            meta = header["__metadata__"]
            texts = [key for key in meta if meta[key].startswith("{")]
            match self.random.randrange(6):
                case 0 | 1 | 2 if texts:
                    key = self.random.choice(texts)
                    meta[key] = json.dumps(self.tree(json.loads(meta[key])))
                case 3:
                    key = self.random.choice([key for key in meta if key != "checksum"])
                    meta[key] = self.change(meta[key])
                case 4:
                    body = self.bytes(body) if self.random.random() < 0.3 else self.overwritten(body)
                case _:
                    name = self.random.choice([name for name in header if name != "__metadata__"])
                    header[name] = self.tree(header[name])
            header["__metadata__"]["checksum"] = checksum(header, body)
            packed = json.dumps(header).encode(errors="replace")
            packed += b" " * (-len(packed) % 8)
            return struct.pack("<Q", len(packed)) + packed + body
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

    # -- data

    def gzipped(self, change):
        return lambda data: gzip.compress(change(gzip.decompress(data)), 1)

    def idx(self, data):
        """Other extents, and often as many bytes as they ask for."""
        rank = data[3]
        extents, body = list(struct.unpack_from(f">{rank}I", data, 4)), data[4 + 4 * rank:]
        match self.random.randrange(7):
            case 5 | 6:
                # Classes and pixels.
                changed = bytearray(body)
                for _ in range(self.random.choice([1, 3]) if changed else 0):
                    changed[self.random.randrange(len(changed))] = self.random.choice([0, 9, 10, 255])
                body = bytes(changed)
            case 0: extents[self.random.randrange(rank)] = self.random.choice([0, 1, 2, 29, 2**16, 2**31, 2**32 - 1])
            case 1: extents = extents[:-1] or [0, 0]
            case 2: extents.append(self.random.choice([0, 1, 3]))
            case 3: body = self.random.randbytes(len(body))
            case 4: extents = [0] * rank
        product = 1
        for extent in extents:
            product *= extent
        if product <= 1 << 20 and self.random.random() < 0.8:
            body = (body + bytes(product))[:product]
        kind = self.random.choice([8] * 19 + [9])
        return struct.pack(f">BBBB{len(extents)}I", 0, 0, kind, len(extents), *extents) + body

    def cifar(self, label_bytes):
        def mutate(data):
            record = label_bytes + 3072
            records = [bytearray(data[at:at + record]) for at in range(0, len(data), record)]
            match self.random.randrange(3):
                case 0: self.random.choice(records)[self.random.randrange(label_bytes)] = self.random.randrange(256)
                case 1: records = records[:1] * self.random.randrange(0, 40)
                case 2: records = records + [bytearray(self.random.randbytes(record))]
            return b"".join(records)
        return mutate

    def csv(self, data):
        """A cell, a row or a column is changed, quoted or left out."""
        rows = [line.split(b",") for line in data.rstrip(b"\n").split(b"\n")]
        row = self.random.choice(rows)
        at = self.random.randrange(len(row))
        cells = [b"", b'""', b'"', b'"a\nb"', b'"a"b', b"nan", b"inf", b"1e999", b"1e-999", b"\xff\xfe", b"\0", b" ", b"x" * 100000,
                 b"9" * 400, b"0x1", b"1e5", b"-0", "é".encode(), b"=1+1", b"\xef\xbb\xbf"]
        match self.random.randrange(9):
            case 7 | 8: row[at] = self.random.choice(self.random.choice(rows))
            case 0 | 1: row[at] = self.random.choice(cells)
            case 2: del row[at]
            case 3: row.insert(at, self.random.choice(cells))
            case 4: rows = [cells[:at] + cells[at + 1:] for cells in rows]
            case 5: rows = [[self.random.choice(cells)] + cells for cells in rows]
            case 6: rows = rows[:self.random.randrange(4)]
        end = self.random.choice([b"\n", b"\n", b"\n", b"\r\n", b"\r"])
        return end.join(self.random.choice([b","] * 99 + [b";"]).join(row) for row in rows)

    # -- pictures

    def png(self, data):
        """Chunks with checksums that fit."""
        chunks, at = [], 8
        while at + 12 <= len(data):
            length = struct.unpack_from(">I", data, at)[0]
            chunks.append([data[at + 4:at + 8], data[at + 8:at + 8 + length]])
            at += 12 + length
        match self.random.randrange(6):
            case 0:
                chunk = self.random.choice(chunks)
                chunk[1] = self.bytes(chunk[1])
            case 1:
                size = [self.random.choice([0, 1, 7, 5000, 65535, 2**24, 2**28, 2**31 - 1, 2**31, 2**32 - 1]) for _ in range(2)]
                keep = self.random.random() < 0.5
                head = bytearray(chunks[0][1])
                head[:8] = head[:8] if keep else struct.pack(">II", *size)
                if keep:
                    head[self.random.randrange(8, 13)] = self.random.choice([0, 1, 2, 3, 4, 6, 8, 16, 255])
                chunks[0][1] = bytes(head)
            case 2:
                # The pixels' own stream, with its own checksum.
                packed = b"".join(body for kind, body in chunks if kind == b"IDAT")
                pixels = zlib.compress(self.bytes(zlib.decompress(packed)))
                first = next(index for index, chunk in enumerate(chunks) if chunk[0] == b"IDAT")
                chunks = [chunk for chunk in chunks if chunk[0] != b"IDAT"]
                chunks.insert(first, [b"IDAT", pixels])
            case 3: chunks.insert(self.random.randrange(len(chunks) + 1), self.random.choice(chunks))
            case 4: del chunks[self.random.randrange(len(chunks))]
            case 5:
                kind = self.random.choice([b"PLTE", b"tRNS", b"eXIf", b"gAMA", b"cHRM", b"iCCP", b"sBIT", b"bKGD", b"zTXt", b"iTXt",
                                           b"pHYs", b"hIST", b"IDAT", b"acTL", b"ABCD", b"IEND"])
                body = self.random.choice([self.exif(), self.random.randbytes(self.random.randrange(0, 40)),
                                           b"a\0\0" + zlib.compress(bytes(self.random.choice([10, 10**6, 3 * 10**7])))])
                chunks.insert(self.random.randrange(1, len(chunks) + 1), [kind, body])
        return data[:8] + b"".join(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
                                   for kind, body in chunks)

    def exif(self):
        """An orientation, or nearly one."""
        order = self.random.choice("<>")
        entries = [struct.pack(order + "HHIHH", self.random.choice([274, 274, 1]), self.random.choice([3, 3, 4, 9]), 1,
                               self.random.choice([0, 1, 3, 6, 8, 9, 65535]), 0) for _ in range(self.random.randrange(3))]
        count = self.random.choice([len(entries), len(entries), 65535])
        head = (b"II" if order == "<" else b"MM") + struct.pack(
            order + "HI", 42, self.random.choice([8, 8, 8, 0, 2, 2**31, 2**32 - 1]))
        return head + struct.pack(order + "H", count) + b"".join(entries)

    def jpeg(self, data):
        """Segments with lengths that fit."""
        segments, at = [], 2
        while at + 4 <= len(data) and data[at] == 0xFF:
            length = struct.unpack_from(">H", data, at + 2)[0]
            segments.append([data[at + 1], data[at + 4:at + 2 + length]])
            at += 2 + length
            if segments[-1][0] == 0xDA:
                break
        scan = data[at:]
        match self.random.randrange(7):
            case 0 | 1:
                segment = self.random.choice(segments)
                segment[1] = self.bytes(segment[1])
            case 2: scan = self.bytes(scan)
            case 3:
                frame = next(segment for segment in segments if segment[0] in (0xC0, 0xC1, 0xC2))
                sides = [self.random.choice([0, 1, 7, 300, 4000, 16000, 65500, 65535]) for _ in range(2)]
                frame[1] = frame[1][:1] + struct.pack(">HH", *sides) + frame[1][5:]
            case 4: segments.insert(self.random.randrange(len(segments)), self.random.choice(segments))
            case 5: del segments[self.random.randrange(len(segments))]
            case 6:
                kind, body = self.random.choice([(0xE1, b"Exif\0\0" + self.exif()), (0xEE, b"Adobe" + self.random.randbytes(7)),
                                                 (0xDD, self.random.randbytes(2)), (0xC4, self.random.randbytes(30)),
                                                 (0xFE, self.random.randbytes(9))])
                segments.insert(self.random.randrange(len(segments)), [kind, body])
        return data[:2] + b"".join(bytes([0xFF, kind]) + struct.pack(">H", 2 + min(len(body), 65533)) + body[:65533]
                                   for kind, body in segments) + scan

    def netpbm(self, data):
        """A number of the head, or of the pixels where they are text."""
        return self.change(data.decode("latin1")).encode("latin1", errors="replace")


# -- checksums of what is made of safetensors

def tensors(header, body):
    for name in sorted(name for name in header if name != "__metadata__"):
        entry = header[name]
        try:
            first, end = entry["data_offsets"]
            yield name.encode(errors="replace"), f"{entry['dtype']} {entry['shape']}".encode(errors="replace"), body[first:end]
        except (TypeError, ValueError, KeyError):
            yield name.encode(errors="replace"), b"", b""


def checkpoint_checksum(header, body):
    meta = header["__metadata__"]
    parts = [str(meta.get(key) or "").encode(errors="replace") for key in ["position", "data"]]
    for name, _, content in tensors(header, body):
        parts += [name, content]
    return f"{fnv(*parts):x}"


def model_checksum(header, body):
    meta = header["__metadata__"]
    parts = [str(meta.get(key) or "").encode(errors="replace") + b"\xff" for key in ["format", "program", "samples", "weights"]]
    for name, kind, content in tensors(header, body):
        parts += [name + b"\xff", kind + b"\xff", content]
    return f"{fnv(*parts):x}"


def repacked(data, change, checksum):
    """A safetensors file with other metadata, and the checksum that fits."""
    length = struct.unpack("<Q", data[:8])[0]
    header, body = json.loads(data[8:8 + length]), data[8 + length:]
    change(header, body)
    header["__metadata__"]["checksum"] = checksum(header, body)
    packed = json.dumps(header).encode()
    packed += b" " * (-len(packed) % 8)
    return struct.pack("<Q", len(packed)) + packed + body
