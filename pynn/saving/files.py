"""Writing files that are complete or absent, and recognizing files of other programs."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..messages.terminal import printable
from . import filelocks

_ELSEWHERE = "; pynn.transfer.load_weights reads weights of other libraries, from safetensors files and mappings"
FOREIGN_ENDINGS = (  # a model file with such a name would be mistaken for another program's file
    ".h5", ".hdf5", ".keras", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".onnx", ".npz", ".npy",
    ".pb", ".tf", ".tflite",
)  # fmt: skip
MAGIC = {  # first bytes of other files that users mistake for models
    b"\x89PNG": "a picture (PNG)",
    b"\xff\xd8\xff": "a picture (JPEG)",
    b"GIF8": "a picture (GIF)",
    b"BM": "a picture (BMP)",
    b"\x89HDF": "an HDF5 file, as Keras writes it",
    b"PK\x03\x04": "a zip archive, as torch.save, Keras and np.savez write it",
    b"\x80": "a pickle, which can run code",
    b"\x93NUMPY": "an array of NumPy",
}
# Names from `_temporary`; pynn 0.1 left out the computer, or everything after the process.
TEMPORARY = re.compile(r"\.(.{1,50})\.([0-9]{1,7})(?:-([0-9a-f]{8})?[0-9a-f]{8}\.tmp)?", re.DOTALL)


def named(path: str | os.PathLike[str]) -> Path:
    """The path of a file that the user names; TypeError or ValueError if it is not a name."""
    if not isinstance(path, (str, os.PathLike)) or not isinstance(os.fspath(path), str):
        raise TypeError(f"path is {path!r:.200}, expected a file's name")
    if not os.fspath(path):
        raise ValueError("path is '', expected a file's name")
    if "\0" in os.fspath(path):
        raise ValueError(f"path is {path!r:.200}, expected a file's name, which has no null characters")
    return Path(path)


def write_whole(path: Path, content: bytes) -> None:
    """Write the content to path so that the file is complete or absent, even if others write there at the same time.

    A symbolic link stays: its target is written. An existing file keeps its mode and, if the system allows it, its
    owner; other hard links to it keep the old content.
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
    """Raise the OSError that `write_whole` would raise, as far as that is known in advance."""
    real, _ = _target(path)
    temporary = _temporary(real)
    with naming(path, real.parent):
        temporary.touch(exist_ok=False)
        temporary.unlink()


def _target(path: Path) -> tuple[Path, os.stat_result | None]:
    """The file to write, after following links, and its status if it exists; OSError if it is not a regular file."""
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
        raise PermissionError(f"{printable(path)} is write-protected; use another name, or make it writable first")
    return real, old


@contextmanager
def naming(path: str | os.PathLike[str], folder: Path | None = None) -> Iterator[None]:
    """Put the user's path into an OSError, which would name no file for a full disk, or else a temporary file.

    folder: of a new file; a PermissionError may be about its permissions.
    """
    try:
        yield
    except OSError as cause:
        if isinstance(cause, PermissionError) and folder is not None and not os.access(folder, os.W_OK):
            where = f"cannot write {printable(path)}: no permission to make files in {printable(folder)}"
            raise PermissionError(where) from cause
        raise OSError(cause.errno, cause.strerror or str(cause), os.fspath(path)) from cause


def _temporary(real: Path) -> Path:
    """A name in the file's folder that no other thread, process or machine uses."""
    begin = real.name[:50]  # the temporary name is longer, and a name may have at most 255 bytes
    return real.with_name(f".{begin}.{os.getpid()}-{filelocks.machine()}{os.urandom(4).hex()}.tmp")


def _private(name: str, flags: int) -> int:
    """Open a file that other users may not read yet: the file that it replaces may be private."""
    return os.open(name, flags, 0o600)


def _make_alike(temporary: Path, old: os.stat_result) -> None:
    """Give the new file the owner and mode of the old file."""
    mode = stat.S_IMODE(old.st_mode)
    new = temporary.stat()
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        try:
            os.chown(temporary, old.st_uid, old.st_gid)
        except PermissionError:  # the group has changed: it gets the permissions of all users
            mode = mode & ~0o070 | (mode & 0o007) << 3
    os.chmod(temporary, mode)


def _sweep(real: Path) -> None:
    """Remove temporary files that killed processes left in the folder of this file, which has just been written.

    For processes of this computer it is known whether they are dead. Files of other computers are removed if they are
    older than an hour by the clock of the file system.
    """
    with suppress(OSError), os.scandir(real.parent) as entries:
        limit = real.stat().st_mtime - 3600
        for entry in entries:
            match = TEMPORARY.fullmatch(entry.name)
            if match is None or not entry.is_file(follow_symlinks=False):
                continue
            with suppress(OSError):
                process = int(match[2])
                if match[3] == filelocks.machine() and os.name == "posix":
                    abandoned = filelocks.is_dead(process)
                else:  # process numbers are below 2^22
                    abandoned = match[1] == real.name[:50] and process < 2**22 and entry.stat().st_mtime < limit
                    if not entry.name.endswith(".tmp"):  # .m.1 and .m.2 may be a user's files
                        abandoned = abandoned and process > 300 and filelocks.is_dead(process)
                if abandoned:
                    os.unlink(entry)


def expect_file(path: str | os.PathLike[str], kind: str) -> None:
    """Raise an OSError unless path is a regular file, since a device or a pipe may have no end.

    kind: the expected kind of file, with its article.
    """
    name, longer = printable(path), f"{os.fspath(path)}.safetensors"
    if os.path.isfile(path):
        return
    if os.path.isdir(path):
        raise IsADirectoryError(f"{name} is a folder, expected {kind}")
    if os.path.exists(path):
        raise OSError(f"{name} is a device, a pipe or a socket, expected {kind}")
    if os.path.islink(path):
        raise FileNotFoundError(f"{name} is a symbolic link that leads to no file, expected {kind}")
    hint = f"; did you mean {printable(longer)}?" if os.path.exists(longer) else f", expected {kind}"
    raise FileNotFoundError(f"{name} does not exist{hint}")


def foreign(path: Path, elsewhere: bool = True) -> str | None:
    """The kind of a file of another format, by its first bytes; None if it is not known.

    elsewhere: whether to mention the function that loads weights of other libraries.
    """
    with open(path, "rb") as file:
        begin = file.read(9)
    kind = next((kind for magic, kind in MAGIC.items() if begin.startswith(magic)), None)
    if kind is None or begin[8:] in (b"", b"{"):  # a damaged safetensors file: after its length, its header is JSON
        return None
    return kind if "picture" in kind or not elsewhere else kind + _ELSEWHERE
