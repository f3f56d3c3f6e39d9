"""Objects of a checkpoint that are data though torch's weights-only reader does not know them: arrays, dates, paths.

torch's own reader stays the judge. It is handed a stand-in for each name that the pickle holds and that is known here:
none of them calls anything that the pickle chose, and what they made is put in the place it belongs to afterwards.
"""

from __future__ import annotations

import argparse
import datetime
import decimal
import enum
import io
import math
import pathlib
import re
import sys
import threading
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any

import torch

from s3dlio_torch._pickle_depth import check_stored

__all__ = ["load_plain", "why_refused"]

_lock = threading.Lock()  # around torch's list of names, which is the process's

# Their own constructors check what they are given, and run nothing.
_AS_THEY_ARE: dict[str, Any] = {
    "_io.BytesIO": io.BytesIO,
    "_io.StringIO": io.StringIO,
    "argparse.Namespace": argparse.Namespace,
    "builtins.range": range,
    "builtins.slice": slice,
    "datetime.date": datetime.date,
    "datetime.datetime": datetime.datetime,
    "datetime.time": datetime.time,
    "datetime.timedelta": datetime.timedelta,
    "datetime.timezone": datetime.timezone,
    "decimal.Decimal": decimal.Decimal,
}
_PATHS = ("PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath")
_ARRAY_MODULES = ("numpy._core.multiarray", "numpy.core.multiarray")
_ELEMENTS = re.compile(r"(b1|[iu][1248]|f(?:2|4|8|16)|c(?:8|16|32)|[SU]\d{1,9}|[mM]8)")
_TRIED_BYTES = 64 << 20
_UNIT = re.compile(r"[A-Za-z]{1,2}")


def why_refused(stored: Any) -> str:
    """What load_plain() has against an object that torch.save() wrote: names, or an error; "": nothing."""
    load = _Load()
    names = _names_in(stored)
    refused = sorted(name for name in names if load.stand_in(name) is None)
    if refused:
        return ", ".join(refused)
    if names and len(stored) <= _TRIED_BYTES:  # a known name may still be used for something else than data
        try:
            load_plain(stored)
        except Exception as error:  # as load_plain() says
            return str(error).partition("\n")[0]
    return ""


def load_plain(stored: Any) -> Any:
    """The object that torch.save() wrote, where it is made of data only.

    Raises:
        Exception: Whatever torch and the constructors of the objects raise: it is more than data, or damaged.
    """
    stream = io.BytesIO(stored)
    check_stored(stream)
    load = _Load()
    known: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = []
    known += [(found, name) for name in _names_in(stored) if (found := load.stand_in(name)) is not None]
    if not known:
        return torch.load(stream, map_location="cpu", weights_only=True)
    with _lock, torch.serialization.safe_globals(known):
        loaded = torch.load(stream, map_location="cpu", weights_only=True)
    try:
        return load.settled(loaded)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _names_in(stored: Any) -> list[str]:
    """Full names that torch does not allow. None where the object has another format: torch judges that alone."""
    try:
        return torch.serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(stored))
    except Exception:  # of any kind: unpickling raises whatever it comes upon
        return []


# ---- what stands for an object while the pickle is read ----
class _Later:
    """Becomes `made()` when everything was read."""

    def made(self) -> Any:
        raise NotImplementedError


class _Dtype(_Later):
    """numpy.dtype(code, align, copy), and its state: no structures, no objects."""

    def __init__(self, code: Any, align: Any = False, copy: Any = False) -> None:
        if not isinstance(code, str) or _ELEMENTS.fullmatch(code) is None or align:
            raise ValueError("an array's elements are no plain numbers, texts or times")
        self._code = code
        self._order = "="
        self._unit = ""

    def __setstate__(self, state: Any) -> None:
        version, order, subarray, names, fields, *rest = state
        if version not in (3, 4) or order not in tuple("<>|=") or not subarray is names is fields is None:
            raise ValueError("an array's elements have parts")
        self._order = order
        if len(rest) > 3 and rest[3] is not None:
            unit, number, *_ = rest[3][1]
            unit = unit.decode("ascii") if isinstance(unit, bytes) else unit
            if _UNIT.fullmatch(unit) is None or type(number) is not int or number < 1:
                raise ValueError("an array holds times of an unknown unit")
            self._unit = f"[{number}{unit}]" if unit != "generic" else ""

    def made(self) -> Any:
        import numpy as np

        return np.dtype(f"{'' if self._order == '|' else self._order}{self._code}{self._unit}")


class _Array(_Later):
    """numpy.ndarray, made empty and filled by its state."""

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, in_columns, raw = state
        self._parts = tuple(map(int, shape)), _dtype_of(dtype), bool(in_columns), _bytes_of(raw)

    def made(self) -> Any:
        import numpy as np

        shape, dtype, in_columns, raw = self._parts
        if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(raw):
            raise ValueError(f"an array of shape {shape} has {len(raw)} bytes")
        flat = np.frombuffer(bytearray(raw), dtype)  # writable, as arrays are
        return flat.reshape(shape, order="F" if in_columns else "C")


class _Uuid(_Later):
    def __setstate__(self, state: Any) -> None:
        self._number = state["int"]

    def made(self) -> uuid.UUID:
        return uuid.UUID(int=self._number)


def _dtype_of(dtype: Any) -> Any:
    if not isinstance(dtype, _Dtype):
        raise ValueError("an array has no elements of a known kind")
    return dtype.made()


def _bytes_of(raw: Any) -> bytes:
    if not isinstance(raw, (bytes, bytearray)):
        raise ValueError("an array holds objects")
    return bytes(raw)


def _empty_array(kind: Any, shape: Any, code: Any) -> _Array:
    return _Array()


def _scalar(dtype: Any, raw: Any = b"") -> Any:
    import numpy as np

    found = np.frombuffer(_bytes_of(raw), _dtype_of(dtype))
    if found.shape != (1,):
        raise ValueError(f"a number has {len(raw)} bytes")
    return found[0]


def _stored_items(items: Any) -> Any:
    """Items that the pickle holds, not those that a range would compute."""
    if type(items) not in (list, tuple):
        raise ValueError("a collection is not made of stored items")
    return items


def _no_bytes() -> bytes:
    """What protocol 2 makes of b"": a call without arguments."""
    return b""


def _frozenset(items: Any = ()) -> frozenset[Any]:
    return frozenset(_stored_items(items))


def _path_of(name: str) -> Callable[..., pathlib.PurePath]:
    windows = "Windows" in name
    pure = pathlib.PureWindowsPath if windows else pathlib.PurePosixPath
    kind = pure if name.startswith("Pure") or windows != (sys.platform == "win32") else pathlib.Path

    def path(*parts: Any) -> pathlib.PurePath:
        if not all(isinstance(part, str) for part in parts):
            raise ValueError("a path is not made of names")
        return kind(*parts)

    return path


def _member_of(kind: type[enum.Enum]) -> Callable[[Any], enum.Enum]:
    def member(value: Any) -> enum.Enum:
        # Looked up, not called: a class may compute members of its own.
        for known in kind.__members__.values():
            if type(known.value) is type(value) and known.value == value:
                return known
        raise ValueError(f"{kind.__qualname__} has no such member")

    return member


def _enum_named(name: str) -> type[enum.Enum] | None:
    """An enumeration of a module that this process has imported already; nothing is imported."""
    parts = name.split(".")
    for place in range(len(parts) - 1, 0, -1):
        found: Any = sys.modules.get(".".join(parts[:place]))
        if found is None:
            continue
        for part in parts[place:]:
            found = vars(found).get(part) if hasattr(found, "__dict__") else None
        return found if isinstance(found, type) and issubclass(found, enum.Enum) else None
    return None


class _Load:
    """The stand-ins of one load, and what they made."""

    def __init__(self) -> None:
        self._deques: dict[int, tuple[list[Any], int | None]] = {}
        self._settled: dict[int, tuple[Any, Any]] = {}  # what was, which keeps its id, and what it became

    def stand_in(self, name: str) -> Any:
        """For the object of this full name; None: there is none."""
        if name in _AS_THEY_ARE:
            return _AS_THEY_ARE[name]
        module, _, last = name.rpartition(".")
        if module in ("pathlib", "pathlib._local") and last in _PATHS:
            return _path_of(last)
        if module in _ARRAY_MODULES:
            return {"_reconstruct": _empty_array, "scalar": _scalar}.get(last)
        others: dict[str, Any] = {
            "builtins.bytes": _no_bytes,
            "builtins.frozenset": _frozenset,
            "collections.deque": self._deque,
            "numpy.dtype": _Dtype,
            "numpy.ndarray": _Array,
            "uuid.UUID": _Uuid,
        }
        if name in others:
            return others[name]
        kind = _enum_named(name)
        return None if kind is None else _member_of(kind)

    def _deque(self, items: Any = (), maxlen: int | None = None) -> list[Any]:
        made = list(_stored_items(items))  # torch's reader appends to lists only
        self._deques[id(made)] = made, maxlen
        return made

    def settled(self, found: Any) -> Any:
        """`found` with everything in the place of its stand-in.

        Raises:
            ValueError: It is nested deeper than this can follow.
        """
        if isinstance(found, (str, bytes, int, float, torch.Tensor)):
            return found
        known = self._settled.get(id(found))
        if known is None:
            self._settled[id(found)] = found, found  # an object that holds itself
            known = self._settled[id(found)] = found, self._replaced(found)
        return known[1]

    def _replaced(self, found: Any) -> Any:
        if isinstance(found, _Later):
            return found.made()
        if isinstance(found, dict):
            items = [(self.settled(key), self.settled(value)) for key, value in found.items()]
            found.clear()
            found.update(items)
        elif type(found) is list:
            found[:] = [self.settled(item) for item in found]
            if id(found) in self._deques:
                return deque(found, self._deques[id(found)][1])
        elif type(found) in (tuple, set, frozenset):
            return type(found)([self.settled(item) for item in found])
        elif type(found) is argparse.Namespace:
            self.settled(vars(found))
        return found
