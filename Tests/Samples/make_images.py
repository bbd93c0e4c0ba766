"""Writes images/: files that are turned, transparent, of four inks, interlaced or of 16 bits, and pixels.json, what
Pillow makes of them (of 16 bits, where Pillow takes the upper byte, what rounding makes of them).

python3 Tests/Samples/make_images.py        (needs Pillow, https://python-pillow.org, and libturbojpeg)
"""

import ctypes
import ctypes.util
import io
import json
import pathlib
import struct
import zlib

from PIL import Image, ImageOps

folder = pathlib.Path(__file__).parent / "images"
folder.mkdir(exist_ok=True)
pixels = {}


def keep(name, data, picture):
    (folder / name).write_bytes(data)
    pixels[name] = {
        "width": picture.width, "height": picture.height, "channels": len(picture.getbands()),
        "pixels": list(picture.tobytes())}


def on_white(picture):
    picture = picture.convert("RGBA")
    white = Image.new("RGB", picture.size, "white")
    white.paste(picture, mask=picture.getchannel("A"))
    return white


# MARK: Exif's orientation


def exif(orientation, order, is_long=False):
    """A TIFF file whose directory has a camera's name and the orientation."""
    value = struct.pack(order + "I", orientation) if is_long else struct.pack(order + "HH", orientation, 0)
    return (
        (b"II" if order == "<" else b"MM") + struct.pack(order + "HIH", 42, 8, 2)
        + struct.pack(order + "HHI", 0x10F, 2, 4) + b"cam\0"
        + struct.pack(order + "HHI", 274, 4 if is_long else 3, 1) + value + struct.pack(order + "I", 0))


def saved(picture, kind, **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


# Six blocks, each of one gray, which a JPEG keeps.
blocks = Image.new("L", (24, 16))
for index, gray in enumerate((20, 60, 100, 140, 180, 220)):
    blocks.paste(gray, (index % 3 * 8, index // 3 * 8, index % 3 * 8 + 8, index // 3 * 8 + 8))
for orientation in range(1, 9):
    data = exif(orientation, "<>"[orientation % 2], is_long=orientation == 7)
    jpeg = saved(blocks, "JPEG", quality=90, exif=b"Exif\0\0" + data)
    keep(f"turned-{orientation}.jpg", jpeg, ImageOps.exif_transpose(Image.open(io.BytesIO(jpeg))))
png = saved(blocks.resize((3, 2), Image.Resampling.NEAREST), "PNG", exif=exif(6, ">"))
keep("turned.png", png, ImageOps.exif_transpose(Image.open(io.BytesIO(png))))

# MARK: Four inks

# Pillow writes inks inverted, with Adobe's marker, and takes all JPEG files for such.
inks = Image.new("CMYK", (24, 8))
for index, color in enumerate(((0, 200, 120, 30), (90, 10, 0, 0), (255, 40, 80, 200))):
    inks.paste(color, (8 * index, 0, 8 * index + 8, 8))
jpeg = saved(inks, "JPEG", quality=100, subsampling=0)
keep("cmyk-adobe.jpg", jpeg, Image.open(io.BytesIO(jpeg)).convert("RGB"))
start = jpeg.index(b"\xff\xee")
assert jpeg[start + 4 : start + 9] == b"Adobe"
plain = jpeg[:start] + jpeg[start + 2 + struct.unpack(">H", jpeg[start + 2 : start + 4])[0] :]
keep("cmyk.jpg", plain, Image.open(io.BytesIO(plain)).point(lambda value: 255 - value).convert("RGB"))

turbo = ctypes.CDLL(ctypes.util.find_library("turbojpeg"))
turbo.tjInitCompress.restype = ctypes.c_void_p
handle, data, size = ctypes.c_void_p(turbo.tjInitCompress()), ctypes.c_void_p(), ctypes.c_ulong()
TJPF_CMYK, TJSAMP_444 = 11, 0
inverted = bytes(255 - value for value in inks.tobytes())
assert turbo.tjCompress2(
    handle, inverted, 24, 0, 8, TJPF_CMYK, ctypes.byref(data), ctypes.byref(size), TJSAMP_444, 100, 0) == 0
jpeg = ctypes.string_at(data, size.value)
keep("ycck-adobe.jpg", jpeg, Image.open(io.BytesIO(jpeg)).convert("RGB"))

# MARK: PNG


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_file(width, height, bits, color, rows, *others, is_interlaced=False):
    """`rows` are the bytes of all rows, each with its filter's number."""
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, is_interlaced))
        + b"".join(others) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def ramp(count, top):
    return [(37 * index + 11 * index * index) % (top + 1) for index in range(count)]


width, height = 5, 3
rgba = Image.frombytes("RGBA", (width, height), bytes(ramp(60, 255)))
keep("rgba.png", saved(rgba, "PNG"), on_white(rgba))
gray_alpha = Image.frombytes("LA", (width, height), bytes(ramp(30, 255)))
keep("gray-alpha.png", saved(gray_alpha, "PNG"), on_white(gray_alpha).getchannel("R"))
palette = Image.frombytes("P", (width, height), bytes(index % 4 for index in range(15)))
palette.putpalette([250, 0, 0, 0, 240, 10, 20, 30, 200, 0, 0, 0])
png = saved(palette, "PNG", transparency=bytes([255, 100, 0]))
keep("palette.png", png, on_white(Image.open(io.BytesIO(png))))
rgb = Image.frombytes("RGB", (width, height), bytes(ramp(45, 255)))
png = saved(rgb, "PNG", transparency=rgb.getpixel((1, 1)))
keep("transparent-color.png", png, on_white(Image.open(io.BytesIO(png))))
bits = Image.frombytes("L", (width, height), bytes(255 * (index % 3 == 0) for index in range(15)))
keep("bits.png", saved(bits.convert("1"), "PNG"), bits)

# Adam7: rows of seven smaller pictures.
passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
rows = b""
for left, top, across, down in passes:
    for y in range(top, height, down):
        row = b"".join(bytes(rgb.getpixel((x, y))) for x in range(left, width, across))
        rows += b"\0" + row if row else b""
png = png_file(width, height, 8, 2, rows, is_interlaced=True)
assert Image.open(io.BytesIO(png)).tobytes() == rgb.tobytes()
keep("interlaced.png", png, rgb)


def rounded(value):
    return (value * 255 * 2 + 65535) // (2 * 65535)


wide = ramp(width * height, 65535)
rows = b"".join(b"\0" + struct.pack(f">{width}H", *wide[y * width : (y + 1) * width]) for y in range(height))
keep("gray16.png", png_file(width, height, 16, 0, rows),
     Image.frombytes("L", (width, height), bytes(rounded(value) for value in wide)))
wide = ramp(width * height * 4, 65535)
rows = b"".join(b"\0" + struct.pack(f">{width * 4}H", *wide[y * width * 4 : (y + 1) * width * 4]) for y in range(height))
keep("rgba16.png", png_file(width, height, 16, 6, rows),
     on_white(Image.frombytes("RGBA", (width, height), bytes(rounded(value) for value in wide))))

lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(pixels[name], separators=(',', ':'))}" for name in sorted(pixels))
(folder / "pixels.json").write_text("{\n" + lines + "\n}\n")
