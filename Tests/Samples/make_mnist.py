"""Takes the first 512 training and 128 test images of the real MNIST into mnist/, as IDX files packed with gzip.

python3 Tests/Samples/make_mnist.py FOLDER_WITH_MNIST
"""

import gzip
import pathlib
import struct
import sys

source = pathlib.Path(sys.argv[1])
target = pathlib.Path(__file__).parent / "mnist"
target.mkdir(exist_ok=True)
for part, count in (("train", 512), ("t10k", 128)):
    for kind, rank in (("images", 3), ("labels", 1)):
        name = f"{part}-{kind}-idx{rank}-ubyte.gz"
        data = gzip.decompress((source / name).read_bytes())
        extents = struct.unpack(f">{rank}I", data[4 : 4 + 4 * rank])
        size = extents[1] * extents[2] if rank == 3 else 1
        start = 4 + 4 * rank
        head = data[:4] + struct.pack(f">{rank}I", count, *extents[1:])
        # Without a time stamp, the same files come out every time.
        (target / name).write_bytes(gzip.compress(head + data[start : start + count * size], 9, mtime=0))
