"""How files of data are damaged: sizes, records, chunks and segments, of which most still fit together."""
import gzip, struct, zlib

from mutations import Mutations


class DataMutations(Mutations):
    def gzipped(self, change):
        return lambda data: gzip.compress(change(gzip.decompress(data)), 1, mtime=0)

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
        cells = [b"", b'""', b'"', b'"a\nb"', b'"a"b', b"nan", b"inf", b"1e999", b"1e-999", b"\xff\xfe", b"\0", b" ",
                 b"x" * 100000, b"9" * 400, b"0x1", b"1e5", b"-0", "é".encode(), b"=1+1", b"\xef\xbb\xbf"]
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
                sides = [0, 1, 7, 5000, 65535, 2**24, 2**28, 2**31 - 1, 2**31, 2**32 - 1]
                size = [self.random.choice(sides) for _ in range(2)]
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
                kind = self.random.choice(
                    [b"PLTE", b"tRNS", b"eXIf", b"gAMA", b"cHRM", b"iCCP", b"sBIT", b"bKGD", b"zTXt", b"iTXt", b"pHYs",
                     b"hIST", b"IDAT", b"acTL", b"ABCD", b"IEND"])
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
                kind, body = self.random.choice(
                    [(0xE1, b"Exif\0\0" + self.exif()), (0xEE, b"Adobe" + self.random.randbytes(7)),
                     (0xDD, self.random.randbytes(2)), (0xC4, self.random.randbytes(30)), (0xFE, self.random.randbytes(9))])
                segments.insert(self.random.randrange(len(segments)), [kind, body])
        return data[:2] + b"".join(bytes([0xFF, kind]) + struct.pack(">H", 2 + min(len(body), 65533)) + body[:65533]
                                   for kind, body in segments) + scan

    def netpbm(self, data):
        """A number of the head, or of the pixels where they are text."""
        return self.change(data.decode("latin1")).encode("latin1", errors="replace")
