"""Files that are whole or not there, and what files of others are."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from . import filelocks
from .terminal import printable

_ELSEWHERE = "; pynn.transfer.load_weights takes weights of other libraries, from safetensors files and mappings"
FOREIGN_ENDINGS = (  # of files that other programs write: a model file with such a name is taken for one
    ".h5", ".hdf5", ".keras", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".onnx", ".npz", ".npy",
    ".pb", ".tf", ".tflite",
)  # fmt: skip
MAGIC = {  # how other files begin that people take for a model's
    b"\x89PNG": "a picture (PNG)",
    b"\xff\xd8\xff": "a picture (JPEG)",
    b"GIF8": "a picture (GIF)",
    b"BM": "a picture (BMP)",
    b"\x89HDF": "an HDF5 file, as Keras writes it",
    b"PK\x03\x04": "a zip archive, as torch.save, Keras and np.savez write it",
    b"\x80": "a pickle, which can run code",
    b"\x93NUMPY": "an array of NumPy",
}
# What `_temporary` gives; pynn 0.1 left out the computer, or all behind the process.
TEMPORARY = re.compile(r"\.(.{1,50})\.([0-9]{1,7})(?:-([0-9a-f]{8})?[0-9a-f]{8}\.tmp)?", re.DOTALL)


def named(path: str | os.PathLike[str]) -> Path:
    """The path of a file that the user names; TypeError or ValueError where it is no name."""
    if not isinstance(path, (str, os.PathLike)) or not isinstance(os.fspath(path), str):
        raise TypeError(f"path is {path!r:.200}, expected a file's name")
    if not os.fspath(path):
        raise ValueError("path is '', expected a file's name")
    if "\0" in os.fspath(path):
        raise ValueError(f"path is {path!r:.200}, expected a file's name, which has no null characters")
    return Path(path)


def write_whole(path: Path, content: bytes) -> None:
    """Put the content at path so that it is there whole or not at all, whoever else writes there at the same time.

    A symbolic link stays one: what it points to is written. A file that was there keeps its mode and, where the system
    allows it, its owner; another hard link to it keeps the old content.
    """
    real, old = _target(path)
    temporary = _temporary(real)
    with naming(path, real.parent):
        try:
            with open(temporary, "xb", opener=_private if old is not None else None) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if old is not None:
                _make_alike(temporary, old)
            os.replace(temporary, real)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
    _sweep(real)


def expect_writable(path: Path) -> None:
    """Raise the OSError that `write_whole` would, as far as it can be known before."""
    real, _ = _target(path)
    temporary = _temporary(real)
    with naming(path, real.parent):
        temporary.touch(exist_ok=False)
        temporary.unlink()


def _target(path: Path) -> tuple[Path, os.stat_result | None]:
    """The file that is to be written, links followed, and what is there now; OSError where it is no regular file."""
    real = Path(os.path.realpath(path))
    with naming(path, real.parent):
        try:
            old = real.stat()
        except (FileNotFoundError, NotADirectoryError):
            old = None
    if old is None:
        if not real.parent.is_dir():
            folder = real.parent if path.is_symlink() else path.parent
            raise FileNotFoundError(f"cannot write {printable(path)}: the folder {printable(folder)} does not exist")
        return real, None
    if stat.S_ISDIR(old.st_mode):
        raise IsADirectoryError(f"{printable(path)} is a folder, expected the name of a file")
    if not stat.S_ISREG(old.st_mode):
        raise OSError(f"{printable(path)} is a device, a pipe or a socket, expected the name of a file")
    if not os.access(real, os.W_OK):
        raise PermissionError(f"{printable(path)} is write-protected; take another name, or make it writable first")
    return real, old


@contextmanager
def naming(path: str | os.PathLike[str], folder: Path | None = None) -> Iterator[None]:
    """The user's own name in an OSError: a full disk names no file, others a temporary one.

    folder: that of a new file, whose permissions a PermissionError may be about.
    """
    try:
        yield
    except OSError as cause:
        if isinstance(cause, PermissionError) and folder is not None and not os.access(folder, os.W_OK):
            where = f"cannot write {printable(path)}: no permission to make files in {printable(folder)}"
            raise PermissionError(where) from cause
        raise OSError(cause.errno, cause.strerror or str(cause), os.fspath(path)) from cause


def _temporary(real: Path) -> Path:
    """A name beside the file that no other thread, process or machine takes."""
    begin = real.name[:50]  # a name may have 255 bytes, and this one is longer
    return real.with_name(f".{begin}.{os.getpid()}-{filelocks.machine()}{os.urandom(4).hex()}.tmp")


def _private(name: str, flags: int) -> int:
    """Opens a file that nobody else may read yet: the file that it replaces may be private."""
    return os.open(name, flags, 0o600)


def _make_alike(temporary: Path, old: os.stat_result) -> None:
    """Give the new file the owner and the mode of the old one."""
    mode = stat.S_IMODE(old.st_mode)
    new = temporary.stat()
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        try:
            os.chown(temporary, old.st_uid, old.st_gid)
        except PermissionError:  # of a group that is another one now: it gets what everybody has
            mode = mode & ~0o070 | (mode & 0o007) << 3
    os.chmod(temporary, mode)


def _sweep(real: Path) -> None:
    """Remove what killed processes left beside this file, which has just been written.

    Of this computer's processes that is known at once. Another computer may still write what is younger than an hour,
    by the clock of the file system.
    """
    with suppress(OSError), os.scandir(real.parent) as entries:
        limit = real.stat().st_mtime - 3600
        for entry in entries:
            found = TEMPORARY.fullmatch(entry.name)
            if found is None or not entry.is_file(follow_symlinks=False):
                continue
            with suppress(OSError):
                process = int(found[2])
                if found[3] == filelocks.machine() and os.name == "posix":
                    left = filelocks.is_dead(process)
                else:  # a process's number is below 2^22
                    left = found[1] == real.name[:50] and process < 2**22 and entry.stat().st_mtime < limit
                    if not entry.name.endswith(".tmp"):  # .m.1, .m.2: a user's own
                        left = left and process > 300 and filelocks.is_dead(process)
                if left:
                    os.unlink(entry)


def expect_file(path: str | os.PathLike[str], what: str) -> None:
    """OSError, in the words of what is there, where this is no file to read: a device or a pipe may have no end.

    what: was expected, with its article.
    """
    name, whole = printable(path), f"{os.fspath(path)}.safetensors"
    if os.path.isfile(path):
        return
    if os.path.isdir(path):
        raise IsADirectoryError(f"{name} is a folder, expected {what}")
    if os.path.exists(path):
        raise OSError(f"{name} is a device, a pipe or a socket, expected {what}")
    if os.path.islink(path):
        raise FileNotFoundError(f"{name} is a symbolic link that leads to no file, expected {what}")
    hint = f"; did you mean {printable(whole)}?" if os.path.exists(whole) else f", expected {what}"
    raise FileNotFoundError(f"{name} does not exist{hint}")


def foreign(path: Path, elsewhere: bool = True) -> str | None:
    """What a file that is no safetensors file is; None where its first bytes do not tell.

    elsewhere: whether to say what takes weights of other libraries.
    """
    with open(path, "rb") as file:
        begin = file.read(9)
    what = next((what for magic, what in MAGIC.items() if begin.startswith(magic)), None)
    if what is None or begin[8:] in (b"", b"{"):  # a damaged safetensors file: after its length, its header is JSON
        return None
    return what if "picture" in what or not elsewhere else what + _ELSEWHERE
