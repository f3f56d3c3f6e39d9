"""TFRecord: length (8 bytes), checksum of the length (4), payload, checksum of the payload (4); little-endian."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from s3dlio_core.checksum import crc32c
from s3dlio_core.errors import RecordError
from s3dlio_core.records.format import RecordRange
from s3dlio_core.records.reader import HeadReader

__all__ = ["TfRecord"]

_HEAD = struct.Struct("<QI")
_CRC = struct.Struct("<I")
_FRAME = _HEAD.size + _CRC.size


class TfRecord:
    """Records as tf.io.TFRecordWriter writes them, uncompressed. A decoded record is its payload, as a memoryview."""

    name = "tfrecord"
    suffixes = (".tfrecord", ".tfrecords", ".tfrec")

    def index(self, reader: HeadReader, size: int) -> Iterator[RecordRange]:
        """Reads each record's head only; records below 256 KiB are read through, which takes fewer requests."""
        start = number = 0
        while start < size:
            where = f"record {number} at byte {start}"
            if size - start < _FRAME:
                raise _cut(where, f"{size - start} bytes are left", f"at least {_FRAME}")
            length = _checked_length(reader.at(start, _HEAD.size), where)
            end = start + _FRAME + length
            if end > size:
                raise _cut(where, f"{size - start} bytes are left", f"{end - start}")
            yield RecordRange(start, end)
            start = end
            number += 1

    def decode(self, data: memoryview, name: str, form: str = "") -> memoryview:
        """The payload, over `data`; both checksums hold."""
        where = f"record {name}"
        if len(data) < _FRAME:
            raise _cut(where, f"{len(data)} bytes", f"at least {_FRAME}")
        length = _checked_length(data[: _HEAD.size], where)
        if length != len(data) - _FRAME:
            raise _cut(where, f"{len(data)} bytes", f"{length + _FRAME}")
        payload = data[_HEAD.size : -_CRC.size]
        (stored,) = _CRC.unpack_from(data, len(data) - _CRC.size)
        found = masked(crc32c(payload))
        if found != stored:
            raise RecordError(
                f"{where}: the {length} bytes of its payload have the checksum {found:#010x}; expected {stored:#010x}, "
                "which is stored behind them; the record is damaged"
            )
        return payload


def masked(crc: int) -> int:
    """As TensorFlow stores a checksum, so that a checksum of data with checksums in it stays a good one."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _checked_length(head: memoryview, where: str) -> int:
    length, stored = _HEAD.unpack(head)
    found = masked(crc32c(head[:8]))
    if found != stored:
        packed = bytes(head[:2]) in (b"\x1f\x8b", b"\x78\x01", b"\x78\x9c", b"\x78\xda")
        cause = "the file is compressed, so its records have no ranges" if packed else "damaged, or no TFRecord"
        raise RecordError(
            f"{where}: its length has the checksum {found:#010x}; expected {stored:#010x}, which is stored; {cause}"
        )
    return int(length)


def _cut(where: str, found: str, expected: str) -> RecordError:
    return RecordError(f"{where}: {found}; expected {expected}; the record was cut short")
