"""Text indexes of TFRecord files, as TensorFlow's and NVIDIA DALI's tools read them: a line "offset size" a record.

`size` counts the whole record with the 16 bytes around its payload.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from s3dlio_core.errors import RecordError
from s3dlio_core.records.format import RecordRange
from s3dlio_core.records.reader import HeadReader
from s3dlio_core.records.tfrecord import TfRecord
from s3dlio_core.uri import split_object_uri, uri_of_path
from s3dlio_core.verbs import get, put, store_at

__all__ = [
    "create_tfrecord_index",
    "get_tfrecord_index_entries",
    "idx_text",
    "index_tfrecord_bytes",
    "read_tfrecord_index",
]

Path = str | os.PathLike[str]


def idx_text(records: Iterable[RecordRange]) -> str:
    """The index of one file's records: a line "offset size" each, in bytes."""
    return "".join(f"{record.start} {record.end - record.start}\n" for record in records)


def create_tfrecord_index(path: Path, index_path: Path | None = None) -> int:
    """Write the index of one TFRecord file; gives how many records it has.

    Args:
        path: URI or local path.
        index_path: URI or local path; None: `path` and ".idx".
    Raises:
        RecordError: The file is cut short, damaged or no TFRecord.
        ObjectNotFoundError: There is no file at `path`.
    """
    uri = _uri(path)
    store, key = store_at(uri)
    with store.open_reader(key, read_ahead_bytes=0) as file:
        reader = HeadReader(_fetch_from(file), file.size)
        try:
            ranges = list(TfRecord().index(reader, file.size))
        except RecordError as error:
            raise RecordError(error.message, operation="index tfrecord", uri=uri) from error
    put(f"{uri}.idx" if index_path is None else _uri(index_path), idx_text(ranges).encode())
    return len(ranges)


def read_tfrecord_index(index_path: Path) -> list[tuple[int, int]]:
    """(offset, size) of each record, as an index (URI or local path) says.

    Raises:
        RecordError: A line is no pair of numbers.
        ObjectNotFoundError: There is no index at `index_path`.
    """
    uri = _uri(index_path)
    entries = []
    for number, line in enumerate(bytes(get(uri)).decode("ascii", "replace").splitlines(), start=1):
        words = line.split()
        if len(words) != 2 or not all(word.isascii() and word.isdigit() for word in words):
            message = f"line {number} is {line[:80]!r}; expected an offset and a size"
            raise RecordError(message, operation="read index", uri=uri)
        entries.append((int(words[0]), int(words[1])))
    return entries


def index_tfrecord_bytes(data: Any) -> str:
    """The index of a TFRecord file in memory, as text.

    Raises:
        RecordError: The file is cut short, damaged or no TFRecord.
    """
    return idx_text(_ranges_in(data))


def get_tfrecord_index_entries(data: Any) -> list[tuple[int, int]]:
    """(offset, size) in bytes of each record of a TFRecord file in memory.

    Raises:
        RecordError: The file is cut short, damaged or no TFRecord.
    """
    return [(record.start, record.end - record.start) for record in _ranges_in(data)]


def _ranges_in(data: Any) -> list[RecordRange]:
    reader = HeadReader.over(data)
    return list(TfRecord().index(reader, reader.size))


def _fetch_from(file: Any) -> Any:
    def fetch(start: int, end: int) -> bytes:
        file.seek(start)
        found: bytes = file.read(end - start)
        return found

    return fetch


def _uri(path: Path) -> str:
    uri = uri_of_path(path)
    split_object_uri(uri)  # refuses what is none
    return uri
