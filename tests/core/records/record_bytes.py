"""Objects with records in them, made by hand where a real writer would not make them so."""

from __future__ import annotations

import io
import struct
import tarfile
from collections.abc import Iterable, Sequence

import google_crc32c

from s3dlio_core.records import IndexedObject, RecordFormat, RecordIndex, RecordRange
from s3dlio_core.records.reader import HeadReader
from s3dlio_core.records.table import RecordTable


def masked_crc(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def tfrecord_of(payloads: Iterable[bytes]) -> bytes:
    """A TFRecord file, with checksums by another library than ours."""
    file = io.BytesIO()
    for payload in payloads:
        length = struct.pack("<Q", len(payload))
        file.write(length + masked_crc(length) + payload + masked_crc(payload))
    return file.getvalue()


def tar_of(files: Sequence[tuple[str, bytes]], format: int = tarfile.USTAR_FORMAT) -> bytes:
    """A tar archive; a name that ends in a slash is a folder."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format) as archive:
        for name, content in files:
            info = tarfile.TarInfo(name.rstrip("/"))
            info.size = len(content)
            if name.endswith("/"):
                info.type = tarfile.DIRTYPE
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def index_of(*objects: tuple[str, list[RecordRange]], **options: str) -> RecordIndex:
    """An index of objects of 4 TiB whose records are given."""
    made = (IndexedObject(key, 1 << 42, f'"{key}"', RecordTable.of(ranges)) for key, ranges in objects)
    return RecordIndex("tfrecord", made, **options)


def ranges_of(format: RecordFormat, data: bytes) -> list[RecordRange]:
    return list(format.index(HeadReader.over(data), len(data)))


def decoded(format: RecordFormat, data: bytes) -> list[object]:
    """Every record, each from its own range alone."""
    records = []
    for number, (start, end, name, form) in enumerate(ranges_of(format, data)):
        records.append(format.decode(memoryview(data[start:end]), name or str(number), form))
    return records
