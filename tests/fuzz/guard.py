"""Reads one file after the other in a process of its own, and watches what that costs and what else it does.

An audit hook cannot be taken out again, and limits of memory cannot be raised: only a child may call `watched`.
"""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil
import resource
import sys
import sysconfig
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from PIL import Image

import pynn

from .cases import File, Finding, Reader, expect, is_clean

SECONDS = 2.0  # that one file may take
MEMORY = 64 << 20  # and so many bytes, and ten times those of the file
ADDRESSES = 4 << 30  # bytes of address space above what the process has: beyond is a MemoryError
LONGEST = 1200  # characters of a message
FORBIDDEN = (  # how the names of audit events begin
    *("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.startfile", "subprocess.Popen", "pty.spawn"),
    *("socket.", "ctypes.", "pickle.find_class", "code.__new__", "urllib.Request", "ftplib.", "http.", "smtplib."),
    *("os.kill", "sys.settrace", "sys.setprofile", "sqlite3.", "webbrowser.open", "winreg.", "shutil.", "tempfile."),
)
CHANGES = (
    *("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.chmod", "os.chown", "os.link", "os.symlink"),
    *("os.truncate", "os.utime"),
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
STRANGE = {"subprocess", "socket", "ctypes", "pickle"}  # what no reader needs
MODULES = {*sys.stdlib_module_names, "pynn", "numpy", "PIL", "safetensors", "tqdm"} - STRANGE


# What pynn imports where it is needed: imported before, it is told from what a file brings in.
LAZY = ("difflib", "gzip", "importlib.metadata", "inspect", "pickletools", "tarfile", "PIL.ImageOps")


def import_lazy() -> None:
    sys.modules["pooch"] = None  # type: ignore[assignment]  # nothing is downloaded
    modules = [module.name for module in pkgutil.walk_packages(pynn.__path__, "pynn.") if "__main__" not in module.name]
    for name in (*LAZY, *modules):
        with suppress(ImportError):  # the native kernels may be lacking
            importlib.import_module(name)
    Image.init()  # all formats


class Watch:
    """The audit hook: what was done that no reader does. on: whether it listens. folder: where may be written."""

    def __init__(self, folder: Path) -> None:
        self.on, self.folder = False, os.fspath(folder)
        self.seen: tuple[str, str] | None = None
        homes = [os.path.dirname(str(sys.modules[name].__file__)) for name in ("numpy", "PIL", "safetensors", "pynn")]
        roots = [sysconfig.get_path("stdlib"), *homes]
        self.code = (*roots, *map(os.path.realpath, roots), "<frozen")
        sys.addaudithook(self.hook)

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on or self.seen:
            return
        if event == "open":
            path, mode, flags = arguments
            writes = set(mode) & set("wax+") if isinstance(mode, str) else (flags or 0) & WRITING
            if writes and not self.inside(path):
                self.seen = ("writes a file", repr(path))
        elif event in CHANGES:
            if not self.inside(arguments[0]):
                self.seen = ("changes files", f"{event} {arguments[0]!r}")
        elif event == "exec":
            file = getattr(arguments[0], "co_filename", "?")
            if not file.startswith(self.code):
                self.seen = ("runs code", file)
        elif event == "import":
            if arguments[0].partition(".")[0] not in MODULES:
                self.seen = ("imports a module", arguments[0])
        elif event.startswith(FORBIDDEN):
            self.seen = (event, repr(arguments)[:200])

    def inside(self, path: Any) -> bool:
        path = os.readlink(f"/proc/self/fd/{path}") if isinstance(path, int) else path
        return isinstance(path, (str, bytes, os.PathLike)) and os.fsdecode(path).startswith(self.folder)


class Meter:
    """The largest memory since the last `reset`, in bytes."""

    def __init__(self) -> None:
        try:
            self._file: int | None = os.open("/proc/self/clear_refs", os.O_WRONLY)
            self.reset()
        except OSError:  # another system, or not allowed: the largest since the process began
            self._file = None
        self.unit = 1 if sys.platform == "darwin" else 1024

    def reset(self) -> None:
        if self._file is not None:
            os.write(self._file, b"5")

    def peak(self) -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * self.unit


def limit_memory() -> None:
    with open("/proc/self/statm") as file:
        size = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + ADDRESSES, size + ADDRESSES))


def free_descriptor() -> int:
    """The lowest number that no file has: a higher one tells of files that are left open."""
    number = os.open(os.devnull, os.O_RDONLY)
    os.close(number)
    return number


def watched(
    reader: Reader, files: Iterator[tuple[int, File, str]], folder: Path
) -> Iterator[tuple[int, str, float, int, str]]:
    """For each file: its number, what came, processor seconds, bytes of memory, more words.

    What came is a word, or "finding: " and its kind.
    """
    said: list[str] = []
    warnings.simplefilter("always")
    warnings.showwarning = lambda message, *_: said.append(str(message))
    if sys.platform == "linux":
        limit_memory()
    watch, meter = Watch(folder), Meter()
    for number, file, what in files:
        reader.put(file)
        descriptor = free_descriptor()
        meter.reset()
        start = time.process_time()
        watch.on, watch.seen = True, None
        came, more, seconds, grown = outcome(reader, file, meter)
        watch.on = False
        total = time.process_time() - start
        if not came.startswith("finding"):
            try:
                expect(watch.seen is None, *(watch.seen or ("",)))
                size = len(file.content)
                most = MEMORY + 10 * size + reader.granted(file)
                expect(grown <= most, "large", f"{grown >> 20} MB for {size:,} bytes")
                expect(seconds <= SECONDS, "slow", f"{seconds:.1f} s")
                expect(total <= 4 * SECONDS, "slow to use", f"{total:.1f} s")
                refusals = [more] if came.startswith("refused") else []
                _check_texts([*refusals, *said])
                named = not reader.names_file or all(os.fspath(reader.path) in one for one in refusals)
                expect(named, "message does not name the file")
                _check_descriptors(descriptor)
            except Finding as finding:
                came, more = f"finding: {finding.args[0]}", f"{' '.join(finding.args[1:])} ({came}: {more[:300]})"
        said.clear()
        yield number, came, seconds, grown, f"{what}: {more}"


def outcome(reader: Reader, file: File, meter: Meter) -> tuple[str, str, float, int]:
    """What reading and judging give, more of it in words; processor seconds and bytes of memory of reading alone."""
    start, before, costs = time.process_time(), meter.peak(), None
    try:
        value = reader.read(file)
        costs = time.process_time() - start, meter.peak() - before
        came, more = reader.judge(file, value), ""
    except reader.refusals as refusal:
        came, more = f"refused {type(refusal).__name__}", str(refusal)
    except Finding as finding:
        came, more = f"finding: {finding.args[0]}", " ".join(finding.args[1:])
    except BaseException as error:
        came, more = f"finding: {type(error).__name__} in {_place(error)}", str(error)[:500]
    seconds, grown = costs or (time.process_time() - start, meter.peak() - before)
    return came, more, seconds, grown


def _place(error: BaseException) -> str:
    """The file and the function of pynn that an error comes from; else the function alone."""
    frames = traceback.extract_tb(error.__traceback__)
    home = os.path.dirname(pynn.__file__) + os.sep
    ours = [frame for frame in frames if frame.filename.startswith(home)]
    return f"{ours[-1].filename.removeprefix(home)} {ours[-1].name}" if ours else frames[-1].name


def _check_texts(texts: list[str]) -> None:
    for text in texts:
        expect(len(text) <= LONGEST, "message too long", f"{len(text)} characters")
        expect(is_clean(text), "control characters in a message", repr(text)[:300])


def _check_descriptors(before: int) -> None:
    if free_descriptor() > before:
        gc.collect()
        expect(free_descriptor() <= before, "descriptor left open")


@contextmanager
def quiet() -> Iterator[None]:
    """No output of libraries written in C, such as those that decode pictures."""
    nowhere, kept = os.open(os.devnull, os.O_WRONLY), os.dup(2)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)
