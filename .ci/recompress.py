"""Compress the files of a wheel with zopfli: the same format as before, some 3 % smaller, and slow to write only.

python .ci/recompress.py WHEEL...
"""

import os
import sys
import zipfile

import zopfli.zlib


class Compressor:
    """What zipfile asks for to write an entry: a raw deflate stream."""

    def __init__(self, kind: int, level: int | None = None) -> None:
        self.content = bytearray()

    def compress(self, data: bytes) -> bytes:
        self.content += data
        return b""

    def flush(self) -> bytes:
        whole = zopfli.zlib.compress(bytes(self.content), blocksplittingmax=0)
        return whole[2:-4]  # without zlib's header and checksum


def recompress(path: str) -> None:
    """Replace the wheel by one with the same files, names, dates and modes."""
    temporary = f"{path}.new"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry, old.read(entry), zipfile.ZIP_DEFLATED)
    os.replace(temporary, path)


if __name__ == "__main__":
    zipfile._get_compressor = Compressor
    for wheel in sys.argv[1:]:
        recompress(wheel)
