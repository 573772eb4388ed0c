"""The only reader of pickles in pynn: CIFAR's "Python version" is published as pickles.

A pickle is a program, and `pickle.load` runs it, whatever it calls. Nothing is looked up or called here: `pickletools`
splits the file into instructions, and a small stack machine carries out those that make arrays, strings, bytes,
numbers, dicts and lists. All others are refused.
"""

from __future__ import annotations

import io
import math
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..messages.terminal import brief, printable
from ..saving.files import expect_file
from .common import StrPath

MOST_BYTES = 1 << 28  # the largest file of CIFAR has 155 MB
MOST_STEPS = 1_000_000  # and less than 300,000 instructions
MOST_LETTERS = 1000  # of a key, and bits of a number: each use reads and hashes them
NAMES = {  # what a pickled array is made of
    "numpy.core.multiarray _reconstruct": "_reconstruct",
    "numpy._core.multiarray _reconstruct": "_reconstruct",
    "numpy ndarray": "ndarray",
    "numpy dtype": "dtype",
}
DTYPES = re.compile(r"[uif][1248]|b1")  # NumPy itself refuses sizes that it lacks, such as f1


class _Refused(ValueError):
    """The file asks for something that is refused."""


class _Name:
    """One of the values of NAMES, standing in for the function or class itself."""

    def __init__(self, name: str) -> None:
        self.name = name


class _DType:
    def __init__(self, code: Any) -> None:
        text = _text(code)
        if not DTYPES.fullmatch(text):
            raise _Refused(f"an array of dtype {text[:20]!r}; only arrays of numbers are read")
        self.dtype = np.dtype(text)

    def build(self, state: Any) -> None:
        order = _text(state[1]) if isinstance(state, tuple) and len(state) >= 2 else ""
        if order not in ("<", ">", "|", "="):
            raise _Refused("a dtype with an unknown state")
        self.dtype = np.dtype(order + self.dtype.str[1:])


class _Array:
    """An array whose content has not been read yet."""

    value: NDArray[Any] | None = None

    def build(self, state: Any) -> None:
        if not (isinstance(state, tuple) and len(state) == 5 and isinstance(state[2], _DType)):
            raise _Refused("an array with an unknown state")
        _, shape, dtype, fortran, raw = state
        if isinstance(raw, str):
            raw = raw.encode("latin-1")  # Python 2 wrote bytes as strings
        valid = isinstance(shape, tuple) and len(shape) <= 32 and all(type(n) is int and n >= 0 for n in shape)
        if not valid or not isinstance(raw, bytes) or math.prod(shape) * dtype.dtype.itemsize != len(raw):
            raise _Refused("an array whose bytes do not fit its shape")
        self.value = np.frombuffer(raw, dtype.dtype).reshape(shape, order="F" if fortran else "C")


def read(path: StrPath) -> dict[str, Any]:
    """Return the dict that a pickle file holds. Keys and Python 2 strings become str, arrays read-only ndarrays.

    Runs nothing, whatever the file says, and takes at most a few times the file's size plus about 100 MB of memory.
    Raises FileNotFoundError if there is no file; ValueError, which names the file, for anything but a pickled dict of
    arrays of numbers, strings, bytes, numbers, dicts and lists.
    """
    expect_file(path, "a pickle of CIFAR")
    shown, size = printable(os.fspath(path)), os.path.getsize(path)
    if size > MOST_BYTES:
        raise ValueError(f"{shown}: expected a pickle of at most {MOST_BYTES >> 20} MiB, got {size >> 20} MiB")
    with open(path, "rb") as file:
        content = file.read()
    try:
        value = _Machine().run(content)
    except _Refused as refused:
        raise ValueError(f"{shown}: refused: it asks for {printable(refused)}") from None
    except (ValueError, TypeError, IndexError, KeyError, OverflowError, AttributeError) as cause:
        why = printable(cause, 200)
        raise ValueError(f"{shown}: damaged, or not a pickle file ({why}); delete it and get it again") from None
    if not isinstance(value, dict):
        raise ValueError(f"{shown}: expected a pickled dict, got {type(value).__name__}")
    return value


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value[: MOST_LETTERS + 1].decode("latin-1")
    if not isinstance(value, str):
        raise _Refused(f"a {type(value).__name__} where a string is expected")
    if len(value) > MOST_LETTERS:
        raise _Refused(f"a name of more than {MOST_LETTERS:,} characters")
    return value


def _instructions(content: bytes) -> Iterator[tuple[str, Any]]:
    """Yield names and arguments of the instructions; arguments of refused ones are not read.

    `pickletools.genops` warns about unusual escapes in text, and silencing a warning affects other threads too.
    """
    import pickletools

    known = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}
    file = io.BytesIO(content)
    while code := file.read(1):
        if code not in known:
            raise ValueError(f"byte {file.tell() - 1} is {brief(code)}, which is not an instruction")
        name, kind = known[code].name, known[code].arg
        if name == "GLOBAL":
            yield name, b" ".join(file.readline().rstrip(b"\n") for _ in range(2)).decode("latin-1")
        else:
            yield name, kind.reader(file) if kind and name in _READ else None


class _Machine:
    """The part of the pickle format's stack machine that CIFAR needs."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}  # a dict: a huge index takes no memory
        self.bytes = 0  # budget left for arrays: one string may be the content of many

    def run(self, content: bytes) -> Any:
        """Return what the pickle leaves on the stack."""
        self.bytes = len(content)
        for step, (name, argument) in enumerate(_instructions(content)):
            if step >= MOST_STEPS:
                raise _Refused(f"more than {MOST_STEPS:,} instructions")
            if name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name])
            elif name in _LITERALS:
                if type(argument) is int and argument.bit_length() > MOST_LETTERS:
                    raise _Refused(f"a number of more than {MOST_LETTERS:,} bits")
                self.stack.append(argument)
            elif name in ("BINPUT", "LONG_BINPUT"):
                self.memo[argument] = self.stack[-1]
            elif name in ("BINGET", "LONG_BINGET"):
                self.stack.append(self.memo[argument])
            elif name == "GLOBAL":
                self.stack.append(_named(argument))
            elif name == "STOP":
                return _finished(self.stack.pop())
            elif name in _ACTIONS:
                _ACTIONS[name](self)
            else:
                raise _Refused(f"the instruction {name}; only arrays, strings, numbers, dicts and lists are read")
        raise ValueError("its end is missing")

    def since_mark(self) -> list[Any]:
        mark = self.marks.pop()
        items = self.stack[mark:]
        del self.stack[mark:]
        return items

    def append(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list:
            raise _Refused(f"items in a {type(target).__name__}")
        target.extend(map(_finished, items))

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not dict or len(items) % 2:
            raise _Refused("keys in a value that is not a dict, or a key without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) is int and key.bit_length() > 63:
                raise _Refused("a number of more than 64 bits as a key")  # many of these share one hash
            target[key if type(key) is int else _text(key)] = _finished(value)

    def tuple_of(self, count: int) -> None:
        items = tuple(self.pop() for _ in range(count))[::-1]
        self.stack.append(items)

    def pop(self) -> Any:
        if self.marks and self.marks[-1] >= len(self.stack):
            raise ValueError("a mark where a value is expected")
        return self.stack.pop()

    def stack_global(self) -> None:
        name, module = self.pop(), self.pop()
        self.stack.append(_named(f"{_text(module)} {_text(name)}"))

    def reduce(self) -> None:
        """Make an array or a dtype. Nothing is called."""
        arguments, function = self.pop(), self.pop()
        name = function.name if isinstance(function, _Name) else ""
        first = arguments[0] if isinstance(arguments, tuple) and arguments else None
        if name == "_reconstruct" and isinstance(first, _Name) and first.name == "ndarray":
            self.stack.append(_Array())
        elif name == "dtype":
            self.stack.append(_DType(first))
        else:
            raise _Refused(f"a call of {name or type(function).__name__}")

    def build(self) -> None:
        state = self.pop()
        target = self.stack[-1]
        if not isinstance(target, (_Array, _DType)):
            raise _Refused(f"a change of a {type(target).__name__}")
        target.build(state)
        if isinstance(target, _Array) and target.value is not None:
            self.bytes -= target.value.nbytes
            if self.bytes < 0:
                raise _Refused("arrays of more bytes than the file has")


def _named(text: str) -> _Name:
    if text not in NAMES:
        raise _Refused(f"{text[:80].replace(' ', '.')}, which could run code; only arrays of numbers are read")
    return _Name(NAMES[text])


def _finished(value: Any) -> Any:
    if isinstance(value, _Array):
        if value.value is None:
            raise ValueError("an array has no content")
        return value.value
    if isinstance(value, (_Name, _DType, tuple)):
        raise _Refused(f"a {type(value).__name__.strip('_').lower()} as a value")
    return value


_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "BINSTRING", "SHORT_BINSTRING"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
_READ = {*_LITERALS, "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET", "PROTO", "FRAME"}
_ACTIONS: dict[str, Callable[[_Machine], Any]] = {
    "PROTO": lambda machine: None,
    "FRAME": lambda machine: None,
    "MARK": lambda machine: machine.marks.append(len(machine.stack)),
    "MEMOIZE": lambda machine: machine.memo.__setitem__(len(machine.memo), machine.stack[-1]),
    "EMPTY_DICT": lambda machine: machine.stack.append({}),
    "EMPTY_LIST": lambda machine: machine.stack.append([]),
    "EMPTY_TUPLE": lambda machine: machine.stack.append(()),
    "APPEND": lambda machine: machine.append([machine.pop()]),
    "APPENDS": lambda machine: machine.append(machine.since_mark()),
    "SETITEM": lambda machine: machine.set_items([machine.pop(), machine.pop()][::-1]),
    "SETITEMS": lambda machine: machine.set_items(machine.since_mark()),
    "TUPLE": lambda machine: machine.stack.append(tuple(machine.since_mark())),
    "TUPLE1": lambda machine: machine.tuple_of(1),
    "TUPLE2": lambda machine: machine.tuple_of(2),
    "TUPLE3": lambda machine: machine.tuple_of(3),
    "STACK_GLOBAL": lambda machine: machine.stack_global(),
    "REDUCE": lambda machine: machine.reduce(),
    "BUILD": lambda machine: machine.build(),
}
