"""Writes the JPEG files of this folder with libturbojpeg: a ramp of gray, and left red, right blue.

python3 Tests/Samples/make_jpeg.py
"""

import ctypes
import ctypes.util
import pathlib

turbo = ctypes.CDLL(ctypes.util.find_library("turbojpeg"))
turbo.tjInitCompress.restype = ctypes.c_void_p
RGB, GRAY = 0, 6  # TJPF
SAMPLE_444, SAMPLE_GRAY = 0, 3  # TJSAMP


def write(name, pixels, width, height, pixel_format, sampling):
    handle = ctypes.c_void_p(turbo.tjInitCompress())
    data, size = ctypes.c_void_p(), ctypes.c_ulong()
    status = turbo.tjCompress2(
        handle, bytes(pixels), width, 0, height, pixel_format, ctypes.byref(data), ctypes.byref(size), sampling, 100, 0)
    assert status == 0
    (pathlib.Path(__file__).parent / name).write_bytes(ctypes.string_at(data, size.value))


write("gray.jpg", [16 * x for y in range(12) for x in range(16)], 16, 12, GRAY, SAMPLE_GRAY)
write("color.jpg", [c for y in range(12) for x in range(16) for c in ((200, 10, 20) if x < 8 else (20, 10, 200))],
      16, 12, RGB, SAMPLE_444)
