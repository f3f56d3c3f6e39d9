"""The records of one object in compact arrays: 8 to 16 bytes each and their names, or nothing where all are alike."""

from __future__ import annotations

import operator
import sys
from array import array
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

from s3dlio_core.errors import RecordError
from s3dlio_core.records.format import RecordRange

__all__ = ["RecordTable"]

_LAYOUTS = ("even", "packed", "ranges")


class RecordTable:
    """An immutable sequence of RecordRange.

    Attributes:
        layout: How the ranges are kept. "even": all as long and as far apart as the first; "packed": each begins where
            the one before it ends; "ranges": start and end of each.
        forms: The distinct `form` of the records.
    """

    __slots__ = ("_count", "_ends", "_first", "_form_numbers", "_name_ends", "_names", "_starts", "_step", "_width",
                 "forms", "layout")  # fmt: skip

    def __init__(self) -> None:
        self.layout = "even"
        self.forms: tuple[str, ...] = ()
        self._count = 0
        self._first = self._step = self._width = 0  # of "even" and "packed": the first start; of "even": the rest
        self._starts: array[int] = array("Q")  # of "ranges"
        self._ends: array[int] = array("Q")  # of "ranges" and "packed"
        self._names = b""  # one behind the other
        self._name_ends: array[int] = array("Q")  # empty: the records have no names
        self._form_numbers: array[int] = array("I")  # empty: all have the first form

    @classmethod
    def of(cls, ranges: Iterable[RecordRange]) -> RecordTable:
        """The table of these records, in their order."""
        if isinstance(ranges, RecordTable):
            return ranges
        table = cls()
        starts, ends, names = table._starts, table._ends, bytearray()
        forms: dict[str, int] = {}
        for record in ranges:
            # What all records have in common takes no memory, however many there are.
            if record.name and not names:
                table._name_ends = array("Q", bytes(8 * len(starts)))
            names += _encoded(record.name)
            if names:
                table._name_ends.append(len(names))
            form = forms.setdefault(record.form, len(forms))
            if form and not table._form_numbers:
                table._form_numbers = array("I", bytes(4 * len(starts)))
            if len(forms) > 1:
                table._form_numbers.append(form)
            starts.append(record.start)
            ends.append(record.end)
        table._count = len(starts)
        table._names = bytes(names)
        table.forms = tuple(forms)
        table._shrink()
        return table

    @classmethod
    def even(cls, first: int, width: int, count: int, form: str) -> RecordTable:
        """The table of `count` records of `width` bytes each, one behind the other; what that takes in memory is the
        same for any number.
        """
        table = cls()
        table._count = count
        if count:
            table._first, table._step, table._width, table.forms = first, width, width, (form,)
        return table

    def _shrink(self) -> None:
        """Keep only what cannot be computed."""
        starts, ends, empty = self._starts, self._ends, array("Q")
        self._first = starts[0] if starts else 0
        self._width = ends[0] - starts[0] if starts else 0
        self._step = starts[1] - starts[0] if self._count > 1 else self._width
        if self._is_even():
            self.layout, self._starts, self._ends = "even", empty, empty
        elif all(map(operator.eq, ends, islice(starts, 1, None))):
            self.layout, self._starts = "packed", empty
        else:
            self.layout = "ranges"
        if self.layout != "even":
            self._step = self._width = 0
        if self.layout == "ranges":
            self._first = 0

    def _is_even(self) -> bool:
        expected = range(self._first, self._first + self._count * self._step, self._step or 1)
        return self._step >= 0 and len(expected) == self._count and all(
            map(lambda start, end, wanted: start == wanted and end - start == self._width,
                self._starts, self._ends, expected)
        )  # fmt: skip

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> RecordRange:
        if not 0 <= index < self._count:
            raise IndexError(f"record {index} is outside [0, {self._count})")
        if self.layout == "even":
            start = self._first + index * self._step
            end = start + self._width
        else:
            end = self._ends[index]
            start = self._starts[index] if self.layout == "ranges" else self._ends[index - 1] if index else self._first
        form = self.forms[self._form_numbers[index] if self._form_numbers else 0] if self.forms else ""
        return RecordRange(start, end, self._name(index), form)

    def __iter__(self) -> Iterator[RecordRange]:
        return map(self.__getitem__, range(self._count))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RecordTable):
            return NotImplemented
        return self.describe() == other.describe() and self.arrays() == other.arrays()

    __hash__ = None  # type: ignore[assignment]

    def __getstate__(self) -> tuple[dict[str, Any], bytes]:
        return self.describe(), self.arrays()

    def __setstate__(self, state: tuple[dict[str, Any], bytes]) -> None:
        described, stored = state
        self.__init__()  # type: ignore[misc]
        self._read(described, memoryview(stored))

    @property
    def nbytes(self) -> int:
        """Bytes of all records together."""
        if self.layout == "even":
            return self._count * self._width
        starts = sum(self._starts) if self.layout == "ranges" else sum(self._ends[:-1]) + self._first
        return sum(self._ends) - starts if self._count else 0

    def describe(self) -> dict[str, Any]:
        """What the stored index says of this table, beside its arrays."""
        described: dict[str, Any] = {"records": self._count, "layout": self.layout}
        if self.layout != "ranges":
            described["first"] = self._first
        if self.layout == "even":
            described |= {"step": self._step, "width": self._width}
        if any(self.forms):
            described["forms"] = list(self.forms)
        if self._name_ends:
            described["name_bytes"] = len(self._names)
        return described

    def arrays(self) -> bytes:
        """The arrays, little-endian, one behind the other: starts, ends, ends of the names, form numbers, names."""
        parts = (self._starts, self._ends, self._name_ends, self._form_numbers)
        return b"".join([*map(_little_endian, parts), self._names])

    @classmethod
    def read(cls, described: Any, stored: memoryview, object_size: int) -> tuple[RecordTable, int]:
        """The reverse of describe() and arrays(): the table, and how many bytes of `stored` it took.

        Raises:
            RecordError: They contradict each other or the object's size.
        """
        table = cls()
        try:
            taken = table._read(described, stored)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise RecordError(f"the index describes records as {str(described)[:200]}; {error!r}") from error
        table._check(object_size)
        return table, taken

    def _read(self, described: dict[str, Any], stored: memoryview) -> int:
        count, self.layout = _size(described["records"]), described["layout"]
        if self.layout not in _LAYOUTS:
            raise ValueError(f"layout {self.layout!r}; expected one of {', '.join(_LAYOUTS)}")
        self._count = count
        self._first = _size(described["first"]) if self.layout != "ranges" else 0
        if self.layout == "even":
            self._step, self._width = _size(described["step"]), _size(described["width"])
        forms = described.get("forms", [])
        if not isinstance(forms, list) or not all(isinstance(form, str) for form in forms):
            raise ValueError("forms is no list of text")
        self.forms = tuple(forms)
        offset = 0

        def take(kind: str, wanted: bool) -> array[int]:
            nonlocal offset
            taken = array(kind)
            size = count * taken.itemsize if wanted else 0
            if offset + size > len(stored):
                raise ValueError(f"{count} records need more than the {len(stored)} bytes there are")
            taken.frombytes(stored[offset : offset + size])
            offset += size
            return _swapped(taken)

        self._starts = take("Q", self.layout == "ranges")
        self._ends = take("Q", self.layout != "even")
        self._name_ends = take("Q", "name_bytes" in described)
        self._form_numbers = take("I", len(forms) > 1)
        name_bytes = _size(described.get("name_bytes", 0))
        if offset + name_bytes > len(stored):
            raise ValueError(f"{name_bytes} bytes of names are more than there are")
        self._names = bytes(stored[offset : offset + name_bytes])
        return offset + name_bytes

    def _check(self, object_size: int) -> None:
        """Every range lies in the object and holds bytes; names and forms exist."""
        if self.layout == "even":
            last = self._first + max(self._count - 1, 0) * self._step + self._width
            sound = self._count <= 1 or self._step > 0
            sound = sound and (not self._count or (self._width > 0 and last <= object_size))
        else:
            starts = self._starts if self.layout == "ranges" else chain([self._first], self._ends)
            sound = all(map(operator.lt, starts, self._ends)) and max(self._ends, default=0) <= object_size
        ends = self._name_ends
        names_sound = all(map(operator.le, ends, islice(ends, 1, None))) and (ends[-1] if ends else 0) == len(
            self._names
        )
        forms_sound = max(self._form_numbers, default=0) < max(len(self.forms), 1)
        if not (sound and names_sound and forms_sound):
            raise RecordError(f"the records' places contradict each other or the object's {object_size} bytes")

    def _name(self, index: int) -> str:
        if not self._name_ends:
            return ""
        start = self._name_ends[index - 1] if index else 0
        try:
            return self._names[start : self._name_ends[index]].decode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise RecordError(f"the name of record {index} in the index is no text: {error}") from error


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")  # names in archives need not be text


def _size(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise ValueError(f"found {str(value)[:40]}; expected an integer from 0")
    return value


def _little_endian(values: array[int]) -> bytes:
    return _swapped(values[:]).tobytes()


def _swapped(values: array[int]) -> array[int]:
    if sys.byteorder == "big":
        values.byteswap()
    return values
