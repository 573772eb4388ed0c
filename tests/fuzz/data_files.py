"""Files of data: tables, pictures, arrays, CIFAR's forms."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import random
import shutil
import tarfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pynn import datasets
from pynn.datasets import cifar

from . import bombs, formats, mutations
from .cases import OTHER, SAME, Crafted, File, Reader, expect

ODD = ("1e400", "0x10", "1_0", "Ⅷ", "１", "infinity", "nan", "9" * 400, f'"{"q" * 200_000}"')  # what may be no number


class Tables(Reader):
    name, share, file_name = "csv", 100, "t.csv"

    def __init__(self) -> None:
        text = 'a,b,"c d",y\n1,2.5,3e3,cat\n4,-5,.6,dog\n\n"7",8,9,"cat"\n'
        numbers = text.replace("cat", "1").replace("dog", "2.0")
        texts = (text, "\ufeff" + text, text.replace("\n", "\r\n"), text.replace(",", ";"), numbers)
        self.valid = [one.encode() for one in texts]

    def crafted(self) -> list[Crafted]:
        return bombs.tables()

    def damaged(self, rng: random.Random) -> File:
        content = mutations.of_bytes(rng, rng.choice(self.valid), self.valid)
        if rng.random() < 0.05:
            content = content.replace(rng.choice((b"1", b"cat", b"a", b"y")), rng.choice(ODD).encode())
        return File(content, extra=(rng.random() < 0.6, rng.choice(",,;")))

    def read(self, file: File) -> Any:
        labels, delimiter = file.extra or (True, ",")
        return datasets.csv(self.path, "y", labels=labels, delimiter=delimiter)

    def judge(self, file: File, found: Any) -> str:
        expect(np.isfinite(found.x).all() and np.isfinite(found.y).all(), "numbers that are not finite were read")
        expect(len(found.x) == len(found.y) and found.x.ndim == 2, "as many rows as targets were expected")
        if found.classes:
            expect(found.y.min() >= 0 and found.y.max() < len(found.classes), "a label is no class")
        return SAME if file.content in self.valid else OTHER


def _pictures() -> list[tuple[str, bytes]]:
    """Valid pictures by format, in many forms."""
    pixels = np.random.default_rng(0).integers(0, 256, (3, 2, 3), np.uint8)
    colour, grey, about = Image.fromarray(pixels), Image.fromarray(pixels[..., 0]), Image.Exif()
    about[0x0112], about[0x010E] = 6, "turned"
    sixteen = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    two: dict[str, Any] = {"save_all": True, "append_images": [grey]}
    chosen: dict[str, list[tuple[Image.Image, dict[str, Any]]]] = {
        "PNG": [
            *((colour, {}), (grey, {}), (colour.convert("P"), {}), (colour.convert("RGBA"), {}), (sixteen, {})),
            *((colour, {"interlace": 1}), (colour, {"exif": about}), (grey, two)),
        ],
        "JPEG": [
            *((colour, {}), (grey, {"progressive": True}), (colour.convert("CMYK"), {})),
            (colour, {"exif": about, "comment": b"words", "icc_profile": bytes(128)}),
        ],
        "GIF": [(colour, {}), (grey, two)],
        "BMP": [(colour, {})],
        "TIFF": [
            *((colour, {}), (grey, {"exif": about}), (colour, {**two, "big_tiff": True})),
            *((grey, {"compression": "tiff_lzw"}), (colour, {"compression": "tiff_deflate"})),
            *((grey, {"compression": "packbits"}), (colour, {"compression": "jpeg"})),
            (grey.convert("1"), {"compression": "group4"}),
        ],
        "WEBP": [(colour, {}), (colour, {"lossless": True}), (colour, {"exif": about}), (grey, two)],
        "PPM": [(colour, {}), (grey, {})],
    }
    found = []
    for kind, images in chosen.items():
        for image, settings in images:
            stream = io.BytesIO()
            with suppress(OSError, KeyError):  # Pillow may have been built without this format
                image.save(stream, kind, **settings)
                found.append((kind, stream.getvalue()))
    return found


class Pictures(Reader):
    name, share = "pictures", 140

    def __init__(self) -> None:
        self.valid = _pictures()

    def crafted(self) -> list[Crafted]:
        return bombs.pictures()

    def damaged(self, rng: random.Random) -> File:
        kind, content = rng.choice(self.valid)
        size = rng.choice((None, None, 4))
        if kind == "PNG" and rng.random() < 0.6:
            return File(formats.png(rng, content), extra=size)
        if kind == "TIFF" and rng.random() < 0.7:
            return File(formats.tiff(rng, content), extra=size)
        others = [other for name, other in self.valid if name == kind]
        return File(mutations.of_bytes(rng, content, others, head=48), extra=size)

    def granted(self, file: File) -> int:
        """What `max_pixels` is by default, 16 million, times the bytes that a pixel takes while it is read."""
        return 16_000_000 * (17 if file.content.startswith(b"RIFF") else 7)  # 17: WebP

    def settle(self, folder: Path) -> None:
        super().settle(folder)
        (folder / "all" / "class").mkdir(parents=True, exist_ok=True)
        self.path = folder / "all" / "class" / "file"

    def read(self, file: File) -> Any:
        return datasets.image_folder(self.folder / "all", file.extra)

    def judge(self, file: File, found: Any) -> str:
        expect(
            found.x.dtype == np.uint8 and found.x.ndim == 4 and len(found.x) == 1, f"pixels of shape {found.x.shape}"
        )
        return OTHER


class Arrays(Reader):
    name, share, file_name = "idx", 60, "i.idx"

    def __init__(self) -> None:
        self.valid: list[bytes] = []
        for code, kind in ((8, ">u1"), (9, ">i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")):
            for shape in ((5,), (2, 3), (2, 3, 4), (), (0, 3)):
                data = np.arange(int(np.prod(shape))).astype(kind).tobytes()
                self.valid.append(bombs.idx(*shape, code=code, data=data))
        self.zipped = [gzip.compress(one, mtime=0) for one in self.valid]

    def crafted(self) -> list[Crafted]:
        return bombs.arrays()

    def damaged(self, rng: random.Random) -> File:
        which, how = rng.randrange(len(self.valid)), rng.random()
        if how < 0.4:
            return File(mutations.of_bytes(rng, self.valid[which], self.valid, head=20))
        if how < 0.7:
            return File(mutations.of_bytes(rng, self.zipped[which]), sealed=True, extra=which)
        return File(formats.gzipped(rng, self.zipped[which], tuple(self.valid)))

    def read(self, file: File) -> Any:
        return datasets.read_idx(self.path)

    def judge(self, file: File, found: Any) -> str:
        if file.extra is not None:
            valid = self.valid[file.extra]
            same = found.astype(found.dtype.newbyteorder(">")).tobytes() == valid[4 + 4 * valid[3] :]
            expect(same and found.ndim == valid[3], "a damaged gzip file is read as another array")
            return SAME
        return OTHER


class Mnist(Reader):
    """A whole folder, of which one file is damaged."""

    name, share = "mnist", 10
    names_file = False  # labels that do not fit images may be told by either file

    def __init__(self) -> None:
        names = (
            "train-images-idx3-ubyte",
            "train-labels-idx1-ubyte",
            "t10k-images-idx3-ubyte",
            "t10k-labels-idx1-ubyte",
        )
        images, labels = bombs.idx(2, 28, 28, data=bytes(range(98)) * 16), bombs.idx(2, data=b"\3\4")
        self.valid = dict(zip(names, (images, labels) * 2, strict=True))

    def damaged(self, rng: random.Random) -> File:
        name = rng.choice(list(self.valid))
        content = mutations.of_bytes(rng, self.valid[name], list(self.valid.values()), head=20)
        return File(gzip.compress(content, mtime=0) if rng.random() < 0.3 else content, extra=name)

    def put(self, file: File) -> None:
        for name, content in self.valid.items():
            (self.folder / name).write_bytes(content)
        (self.folder / file.extra).write_bytes(file.content)

    def read(self, file: File) -> Any:
        return datasets.mnist(self.folder)

    def judge(self, file: File, found: Any) -> str:
        for x, y in (found.train, found.test):
            fine = x.shape == (len(y), 28, 28, 1) and y.min() >= 0 and y.max() < 10
            expect(fine, "images and labels that do not fit", f"{x.shape}, {y}")
        return OTHER


class Cifar(Reader):
    """A folder of CIFAR-10's or CIFAR-100's binary form, of which one file is damaged."""

    name, share = "cifar", 30
    names_file = False

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        pixels = [rng.integers(0, 256, 3072, np.uint8).tobytes() for _ in range(2)]
        ten, hundred = b"".join(b"\3" + one for one in pixels), b"".join(b"\3\x21" + one for one in pixels)
        names = ["\n".join(f"name{number}" for number in range(count)).encode() for count in (10, 20, 100)]
        self.valid = {
            "cifar10": {"data_batch_1.bin": ten, "test_batch.bin": ten, "batches.meta.txt": names[0]},
            "cifar100": {
                **{"train.bin": hundred, "test.bin": hundred},
                **{"coarse_label_names.txt": names[1], "fine_label_names.txt": names[2]},
            },
        }

    def damaged(self, rng: random.Random) -> File:
        form = rng.choice(list(self.valid))
        name = rng.choice(list(self.valid[form]))
        content = self.valid[form][name]
        return File(mutations.of_bytes(rng, content, list(self.valid[form].values())), extra=(form, name))

    def put(self, file: File) -> None:
        form, name = file.extra
        folder = self.folder / form
        folder.mkdir(exist_ok=True)
        for other, content in self.valid[form].items():
            (folder / other).write_bytes(file.content if other == name else content)

    def read(self, file: File) -> Any:
        form, _ = file.extra
        return datasets.load(form, self.folder / form)

    def judge(self, file: File, found: Any) -> str:
        for x, y in (found.train, found.test):
            fine = x.shape == (len(y), 32, 32, 3) and y.min() >= 0 and y.max() < len(found.classes)
            expect(fine, "images and labels that do not fit", f"{x.shape}, {y}")
        return OTHER


class Pickled(Cifar):
    """CIFAR's Python form: the pickles."""

    name, share = "pickles", 50
    names_file = False

    def __init__(self) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, (2, 3072), np.uint8)
        ten: dict[str, Any] = {"data": pixels, "labels": [3, 4], "batch_label": "x", "filenames": ["a", "b"]}
        hundred = {"data": pixels, "fine_labels": [33, 4], "coarse_labels": [3, 4], "filenames": ["a", "b"]}
        meta = {"label_names": [f"name{number}" for number in range(10)], "num_vis": 3072}
        both = {
            f"{kind}_label_names": [f"{kind}{number}" for number in range(count)]
            for kind, count in (("fine", 100), ("coarse", 20))
        }
        self.valid, self.protocols = {}, {}
        for form, names, things in (
            ("cifar10", ("data_batch_1", "test_batch", "batches.meta"), (ten, ten, meta)),
            ("cifar100", ("train", "test", "meta"), (hundred, hundred, both)),
        ):
            contents = zip(names, things, strict=True)
            self.protocols[form] = {
                name: [pickle.dumps(thing, protocol) for protocol in (2, 3, 4, 5)] for name, thing in contents
            }
            self.valid[form] = {name: pickles[1] for name, pickles in self.protocols[form].items()}

    def crafted(self) -> list[Crafted]:
        return [Crafted(one.name, one.content, ("cifar10", "batches.meta")) for one in bombs.pickles()]

    def damaged(self, rng: random.Random) -> File:
        form = rng.choice(list(self.valid))
        name = rng.choice(list(self.valid[form]))
        content = rng.choice(self.protocols[form][name])
        if rng.random() < 0.5:
            return File(formats.pickled(rng, content), extra=(form, name))
        head = rng.choice((100, None))
        return File(mutations.of_bytes(rng, content, self.protocols[form][name], head), extra=(form, name))


class Archives(Reader):
    """The archive that CIFAR comes in."""

    name, share, file_name = "archive", 10, "a.tar.gz"
    members = ("data_batch_1.bin", "batches.meta.txt")

    def __init__(self) -> None:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as tar:
            for name in self.members:
                member = tarfile.TarInfo(f"cifar/{name}")
                member.size = 5
                tar.addfile(member, io.BytesIO(b"12345"))
            link = tarfile.TarInfo("cifar/x")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(link)
        self.tar = stream.getvalue().rstrip(b"\0") + bytes(1024)

    def damaged(self, rng: random.Random) -> File:
        at = 512 * rng.randrange(4)
        changed = bytearray(self.tar)
        changed[at : at + 512] = mutations.of_bytes(rng, bytes(changed[at : at + 512]))
        if rng.random() < 0.7:  # the header's checksum is right again
            total = sum(changed[at : at + 148]) + 8 * ord(" ") + sum(changed[at + 156 : at + 512])
            changed[at + 148 : at + 156] = b"%06o\0 " % total
        content = gzip.compress(changed, mtime=0)
        return File(content if rng.random() < 0.7 else mutations.of_bytes(rng, content))

    def put(self, file: File) -> None:
        super().put(file)
        shutil.rmtree(self.folder / "into", ignore_errors=True)
        (self.folder / "into").mkdir()

    def read(self, file: File) -> Any:
        into = self.folder / "into"
        cifar.extract(os.fspath(self.path), "cifar", list(self.members), os.fspath(into))
        return sorted(path.name for path in into.iterdir())

    def judge(self, file: File, found: Any) -> str:
        expect(found == sorted(self.members), "other files than were wanted", f"{found}")
        return OTHER


READERS = (Tables, Pictures, Arrays, Mnist, Cifar, Pickled, Archives)
