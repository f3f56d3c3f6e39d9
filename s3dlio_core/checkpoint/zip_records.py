"""The records of a zip archive of which perhaps only the front and the back are at hand, with every byte accounted for.

Where two places tell the same, they must agree; what has one value only must have it; nothing may lie between the
records. So one changed byte outside the records' contents is noticed, and inside them by their CRC-32.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any

from s3dlio_core.errors import ChecksumMismatchError

__all__ = ["ArchiveDamaged", "Record", "UnusualArchive", "read_records"]

_LOCAL, _CENTRAL, _DESCRIPTOR, _END = b"PK\3\4", b"PK\1\2", b"PK\7\x08", b"PK\5\6"
_END64, _LOCATOR64 = b"PK\6\6", b"PK\6\7"
_LOCAL_FIELDS = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL_FIELDS = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END_FIELDS = struct.Struct("<4sHHHHIIH")
_END64_FIELDS = struct.Struct("<4sQHHIIQQQQ")
_LOCATOR64_FIELDS = struct.Struct("<4sIQI")
_ZIP64_TAG, _PADDING_TAG = 0x0001, 0x4246
_CRC_FOLLOWS, _ENCRYPTED = 0x0008, 0x0001
_LIMIT = 0xFFFFFFFF
_RECORDS = 1 << 16
_WIDE_VERSION = 45  # of zip, the first with records for large archives
_WIDE_WRITERS = (0x031E, _WIDE_VERSION)  # miniz, which torch uses; and this package


class UnusualArchive(ValueError):
    """Not an archive of this kind, or more of it must be at hand; it may be sound."""


class ArchiveDamaged(ChecksumMismatchError):
    """What the archive says contradicts itself."""


@dataclass(frozen=True, slots=True)
class Record:
    """One member: its contents lie uncompressed in bytes [start, start + size) of the archive.

    Attributes:
        crc: CRC-32 of the contents; 0 where the writer was told to compute none.
    """

    name: str
    start: int
    size: int
    crc: int


@dataclass(frozen=True, slots=True)
class _Entry:
    name: bytes
    made_by: int
    needed: int
    flags: int
    method: int
    time: int
    date: int
    crc: int
    packed: int
    size: int
    header: int
    attributes: tuple[int, int]


class Ends:
    """The first and the last bytes of something `size` bytes long; they may overlap, or be all of it."""

    def __init__(self, head: Any, tail: Any, size: int) -> None:
        self._head, self._tail = memoryview(head).cast("B"), memoryview(tail).cast("B")
        self.size = size

    def at(self, start: int, size: int) -> memoryview:
        """Bytes [start, start + size).

        Raises:
            ArchiveDamaged: They lie outside.
            UnusualArchive: They are not at hand.
        """
        end = start + size
        if start < 0 or end > self.size:
            raise ArchiveDamaged(f"bytes [{start}, {end}) are spoken of; the archive has {self.size}")
        if end <= len(self._head):
            return self._head[start:end]
        front = self.size - len(self._tail)
        if start >= front:
            return self._tail[start - front : end - front]
        raise UnusualArchive(f"bytes [{start}, {end}) of the archive are not at hand")

    def holds(self, record: Record) -> bool:
        """Whether the record's contents are at hand."""
        end = record.start + record.size
        return end <= len(self._head) or record.start >= self.size - len(self._tail)


def read_records(ends: Ends) -> list[Record]:
    """The archive's records in the order they are stored. Contents at hand are compared with their CRC-32.

    Raises:
        ArchiveDamaged: Something contradicts itself.
        UnusualArchive: Not a zip archive, compressed, encrypted, with comments, or too little of it is at hand.
    """
    entries, directory = _directory(ends)
    position = 0
    records = []
    for entry in entries:
        _expect(entry.header == position, "a record does not begin where the one before it ends")
        record, position = _record(ends, entry)
        records.append(record)
    _expect(position == directory, "the directory does not begin where the last record ends")
    if any(entry.method or entry.flags & _ENCRYPTED for entry in entries):
        raise UnusualArchive("its records are compressed or encrypted")
    _check_contents(ends, records)
    return records


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ArchiveDamaged(f"the archive is damaged: {otherwise}")


def _looks_like_zip(ends: Ends) -> bool:
    front = bytes(ends.at(0, 4)) if ends.size >= 4 else b""
    back = bytes(ends.at(ends.size - 22, 4)) if ends.size >= 22 else b""
    return front == _LOCAL or back == _END


def _directory(ends: Ends) -> tuple[list[_Entry], int]:
    """The entries of the central directory, and its offset."""
    if not _looks_like_zip(ends):
        raise UnusualArchive("neither its beginning nor its end is that of a zip archive")
    end = ends.size - _END_FIELDS.size
    _expect(end >= 0, "it is shorter than the end record")
    magic, disk, first_disk, here, count, size, start, comment = _END_FIELDS.unpack(ends.at(end, _END_FIELDS.size))
    _expect(magic == _END, "the end record is not where it belongs; it was cut short or changed")
    _expect(disk == first_disk == comment == 0, "the end record speaks of other disks or a comment")
    _expect(here == count, "the end record gives two counts")
    if end >= _LOCATOR64_FIELDS.size and ends.at(end - _LOCATOR64_FIELDS.size, 4) == _LOCATOR64:
        count, size, start, end = _wide_end(ends, end, (count, size, start))
    _expect(start + size == end, "the directory does not end where the end record begins")
    if count > _RECORDS:
        raise UnusualArchive(f"it has {count} records")
    entries = _entries(ends.at(start, size), count)
    alike = len({entry.attributes for entry in entries}) <= 1
    _expect(alike, "the directory's entries have different attributes")
    alike = len({entry.made_by for entry in entries}) <= 1 or all(entry.made_by == entry.needed for entry in entries)
    _expect(alike, "the directory's entries were made by different writers")
    return entries, start


def _wide_end(ends: Ends, end: int, narrow: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Count, size and offset of the directory as the end record for large archives has them, and where that record
    begins. What the small end record says must be the same, or the largest number it can say."""
    locator = end - _LOCATOR64_FIELDS.size
    _, disk, where, disks = _LOCATOR64_FIELDS.unpack(ends.at(locator, _LOCATOR64_FIELDS.size))
    _expect(disk == 0 and disks == 1, "the locator speaks of other disks")
    _expect(where == locator - _END64_FIELDS.size, "the locator points elsewhere")
    fields = _END64_FIELDS.unpack(ends.at(where, _END64_FIELDS.size))
    magic, rest, made_by, needed, disk, first_disk, here, count, size, start = fields
    _expect(magic == _END64 and rest == _END64_FIELDS.size - 12, "the wide end record is not where it belongs")
    _expect(disk == first_disk == 0 and here == count, "the wide end record contradicts itself")
    _expect(needed == _WIDE_VERSION and made_by in _WIDE_WRITERS, "the wide end record was made by an unknown writer")
    limits = (0xFFFF, _LIMIT, _LIMIT)
    for told, wide, limit in zip(narrow, (count, size, start), limits, strict=True):
        _expect(told in (min(wide, limit), limit), "the two end records differ")
    return count, size, start, where


def _entries(directory: memoryview, count: int) -> list[_Entry]:
    entries = []
    position = 0
    for _ in range(count):
        _expect(position + _CENTRAL_FIELDS.size <= len(directory), "the directory ends early")
        fields = _CENTRAL_FIELDS.unpack_from(directory, position)
        magic, made_by, needed, flags, method, time, date, crc, packed, size = fields[:10]
        name_size, extra_size, comment, disk, internal, external, header = fields[10:]
        _expect(magic == _CENTRAL, "an entry of the directory is not where it belongs")
        _expect(disk == comment == 0, "an entry of the directory speaks of other disks or a comment")
        position += _CENTRAL_FIELDS.size
        _expect(position + name_size + extra_size <= len(directory), "the directory ends early")
        name = bytes(directory[position : position + name_size])
        extra = bytes(directory[position + name_size : position + name_size + extra_size])
        position += name_size + extra_size
        size, packed, header = _widened(_extras(extra), (size, packed, header))
        _expect(size == packed or method != 0, "a stored record has two sizes")
        attributes = (internal, external)
        entries.append(_Entry(name, made_by, needed, flags, method, time, date, crc, packed, size, header, attributes))
    _expect(position == len(directory), "bytes follow the directory's last entry")
    return entries


def _extras(extra: bytes) -> dict[int, bytes]:
    """Extra fields by tag; padding must be the letters Z that torch pads with."""
    found: dict[int, bytes] = {}
    position = 0
    while position < len(extra):
        _expect(position + 4 <= len(extra), "an extra field ends early")
        tag, size = struct.unpack_from("<HH", extra, position)
        body = extra[position + 4 : position + 4 + size]
        _expect(len(body) == size, "an extra field ends early")
        _expect(
            tag in (_ZIP64_TAG, _PADDING_TAG) and tag not in found, "there is an extra field that torch never writes"
        )
        _expect(tag != _PADDING_TAG or body.count(b"Z") == size, "the padding is not what torch pads with")
        found[tag] = body
        position += 4 + size
    return found


def _widened(extras: dict[int, bytes], narrow: tuple[int, ...]) -> tuple[int, ...]:
    """Sizes and offset, those that do not fit into 32 bits from the extra field for them, which holds no others."""
    body = extras.get(_ZIP64_TAG, b"")
    wide = sum(value == _LIMIT for value in narrow)
    _expect(len(body) == 8 * wide, "the field of large sizes has another length")
    larger = iter(struct.unpack(f"<{wide}Q", body))
    return tuple(next(larger) if value == _LIMIT else value for value in narrow)


def _record(ends: Ends, entry: _Entry) -> tuple[Record, int]:
    """The record of a directory's entry, and where it ends."""
    fields = _LOCAL_FIELDS.unpack(ends.at(entry.header, _LOCAL_FIELDS.size))
    magic, needed, flags, method, time, date, crc, packed, size, name_size, extra_size = fields
    _expect(magic == _LOCAL, "a record's header is not where it belongs")
    same = (needed, flags, method, time, date) == (entry.needed, entry.flags, entry.method, entry.time, entry.date)
    _expect(same, "a record's header differs from the directory's entry")
    position = entry.header + _LOCAL_FIELDS.size
    _expect(bytes(ends.at(position, name_size)) == entry.name, "a record's name differs from the directory's")
    position += name_size
    extras = _extras(bytes(ends.at(position, extra_size)))
    start = position + extra_size
    follows = bool(flags & _CRC_FOLLOWS)
    told = (size, packed)
    if _ZIP64_TAG in extras and _LIMIT not in told:  # both are told there although they would fit, or follow
        told = struct.unpack("<QQ", extras[_ZIP64_TAG]) if len(extras[_ZIP64_TAG]) == 16 else (-1, -1)
    else:
        told = _widened(extras, told)[:2]  # type: ignore[assignment]
    _expect((crc, *told) == (entry.crc, entry.size, entry.packed) or (follows and _unset(crc, told, entry)),
            "a record's header differs from the directory's entry")  # fmt: skip
    end = start + entry.packed
    if follows:
        end += _descriptor(ends, end, entry)
    return Record(entry.name.decode("utf-8", "replace"), start, entry.size, entry.crc), end


def _unset(crc: int, told: tuple[int, int], entry: _Entry) -> bool:
    """Whether the header leaves CRC and sizes to the descriptor behind the contents."""
    return crc == 0 and told in ((0, 0), (entry.size, entry.packed))


def _descriptor(ends: Ends, start: int, entry: _Entry) -> int:
    """Checks the descriptor at `start`; its size."""
    for layout in ("<4sIII", "<4sIQQ"):
        size = struct.calcsize(layout)
        if start + size <= ends.size:
            told = struct.unpack(layout, ends.at(start, size))
            if told == (_DESCRIPTOR, entry.crc, entry.packed, entry.size):
                # Both match for sizes of 0 in the short one's place: what follows tells which it is.
                if layout == "<4sIII" and entry.size == 0 and _zeros_follow(ends, start + size):
                    continue
                return size
    raise ArchiveDamaged("the archive is damaged: what follows a record differs from the directory's entry")


def _zeros_follow(ends: Ends, start: int) -> bool:
    return start + 8 <= ends.size and bytes(ends.at(start, 8)) == bytes(8)


def _check_contents(ends: Ends, records: list[Record]) -> None:
    if not any(record.crc for record in records):
        return  # torch was told to compute none
    for record in records:
        if ends.holds(record):
            contents = ends.at(record.start, record.size)
            _expect(zlib.crc32(contents) == record.crc, f"the contents of {record.name[:100]} differ from their CRC-32")
