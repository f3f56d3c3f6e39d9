"""RecordIndex: every record of many objects by one number."""

from __future__ import annotations

import itertools
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from s3dlio_core._ext import ObjectMeta, same_etag
from s3dlio_core.errors import RecordError
from s3dlio_core.records.format import RecordFormat, format_named
from s3dlio_core.records.table import RecordTable

__all__ = ["IndexedObject", "Record", "RecordIndex"]


@dataclass(frozen=True, slots=True)
class IndexedObject:
    """One object and its records.

    Attributes:
        key: Below the store's prefix.
        size: Bytes, when it was indexed.
        etag: Of the generation that was indexed; "" where the store has none.
    """

    key: str
    size: int
    etag: str
    records: RecordTable


class Record(NamedTuple):
    """One record: bytes [start, end) of one object.

    Attributes:
        key: Of the object, below the store's prefix.
        size: Of the whole object, in bytes.
        etag: Of the object.
        name: As the format names it; its number in the object where it has no name.
        form: What decode() needs beside the bytes.
        number: Of the record in its object, from 0.
    """

    key: str
    size: int
    start: int
    end: int
    etag: str
    name: str
    form: str
    number: int


class RecordIndex(Sequence[Record]):
    """The records of all objects below a prefix, in the objects' order. Immutable; pickles.

    Args:
        format_name: One of FORMATS.
        objects: In the order their records are numbered.
        options: Of the format, as format_named() takes them.
        pattern: Regular expression that chose the objects, searched for in their keys; None: all of them.
    """

    def __init__(
        self,
        format_name: str,
        objects: Iterable[IndexedObject],
        *,
        options: Mapping[str, Any] | None = None,
        pattern: str | None = None,
    ) -> None:
        self.format_name = format_name
        self.options = dict(options or {})
        self.pattern = pattern
        self.objects = tuple(objects)
        self.format: RecordFormat = format_named(format_name, **self.options)
        counts = (len(item.records) for item in self.objects)
        self._ends = array("Q", itertools.accumulate(counts))  # one past each object's last record

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (self.format_name, self.objects, self.options, self.pattern)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        total = len(self)
        position = index + total if index < 0 else index
        if not 0 <= position < total:
            raise IndexError(f"record {index} is outside [{-total}, {total})")
        which = bisect_right(self._ends, position)
        return self._record(which, position - (self._ends[which - 1] if which else 0))

    def __iter__(self) -> Iterator[Record]:
        for which, item in enumerate(self.objects):
            for number in range(len(item.records)):
                yield self._record(which, number)

    def _record(self, which: int, number: int) -> Record:
        item = self.objects[which]
        start, end, name, form = item.records[number]
        return Record(item.key, item.size, start, end, item.etag, name or str(number), form, number)

    @property
    def nbytes(self) -> int:
        """Bytes of all records together."""
        return sum(item.records.nbytes for item in self.objects)

    def decode(self, index: int, data: Any, *, uri: str = "") -> Any:
        """What record `index` holds, made of its bytes: as the format's decode() gives it.

        Args:
            data: The bytes of the record's range: contiguous memory.
            uri: Of the object, for messages; its key if not given.
        Raises:
            RecordError: Cut short, damaged, or not what the index says; the message has the URI, the record's number
                and its place.
        """
        record: Record = self[index]
        view = memoryview(data).cast("B")
        try:
            if len(view) != record.end - record.start:
                found = f"found {len(view)} bytes; expected {record.end - record.start}"
                raise RecordError(f"{found}; the object was cut short, or is not the one that was indexed")
            return self.format.decode(view, record.name, record.form)
        except RecordError as error:
            place = f"record {record.number} at bytes [{record.start}, {record.end}): {error.message}"
            raise RecordError(place, operation=f"decode {self.format_name}", uri=uri or record.key) from error

    def check(self, found: Iterable[ObjectMeta], uri: str = "") -> None:
        """Compare with the objects that are there now: as many, with the same keys, sizes and etags.

        Args:
            found: The objects that would be indexed now, in any order.
            uri: Of the prefix, for the message.
        Raises:
            RecordError: Something was added, removed or changed; the message names the first such object.
        """
        known = {item.key: item for item in self.objects}
        for meta in found:
            item = known.pop(meta.key, None)
            if item is None:
                raise _outdated(uri, f"{meta.key!r} is new")
            if meta.size != item.size:
                raise _outdated(uri, f"{meta.key!r} has {meta.size} bytes now and had {item.size}")
            if item.etag and meta.etag and not same_etag(meta.etag, item.etag):
                raise _outdated(uri, f"{meta.key!r} has the etag {meta.etag} now and had {item.etag}")
        if known:
            raise _outdated(uri, f"{next(iter(known))!r} is gone")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RecordIndex):
            return NotImplemented
        return (self.format_name, self.options, self.pattern, self.objects) == (
            other.format_name, other.options, other.pattern, other.objects
        )  # fmt: skip

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"RecordIndex({self.format_name!r}, {len(self.objects)} objects, {len(self)} records)"


def _rebuilt(
    format_name: str, objects: tuple[IndexedObject, ...], options: dict[str, Any], pattern: str | None
) -> RecordIndex:
    return RecordIndex(format_name, objects, options=options, pattern=pattern)


def _outdated(uri: str, what: str) -> RecordError:
    message = f"the objects are not those that were indexed: {what}; run `s3dlio index {uri or 'URI'}` again"
    return RecordError(message, operation="check index", uri=uri)
