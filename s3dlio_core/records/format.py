"""What a record format must do, and the formats there are."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

from s3dlio_core.errors import InvalidArgumentError
from s3dlio_core.records.reader import HeadReader

__all__ = ["FORMATS", "RecordFormat", "RecordRange", "format_named", "format_of_key"]


class RecordRange(NamedTuple):
    """Where one record lies in its object, and what is needed to make sense of its bytes.

    Attributes:
        start: First byte, from 0.
        end: One past the last byte; always greater than `start`.
        name: As the format names it: a sample's key, a tensor's name; "" where records only have numbers.
        form: What decode() must be told beyond the bytes, e.g. "<f4 3,224,224"; "" where the bytes say it all.
    """

    start: int
    end: int
    name: str = ""
    form: str = ""


class RecordFormat(Protocol):
    """How records lie in objects of one kind."""

    @property
    def name(self) -> str:
        """As format_named() takes it."""
        ...

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Of the keys such objects usually have, lower case, with the dot."""
        ...

    def index(self, reader: HeadReader, size: int) -> Iterable[RecordRange]:
        """The records of one object of `size` bytes, in their order, with as little read as the format allows.

        Where all are alike that may be a RecordTable, which takes no memory for each.

        Raises:
            RecordError: The object is cut short, damaged or of another format.
        """
        ...

    def decode(self, data: memoryview, name: str, form: str = "") -> Any:
        """The record whose bytes are `data`: bytes, dict, numpy array or RawTensor, over `data` where that is possible.

        Args:
            data: The bytes of [start, end) of its RecordRange: format "B", contiguous.
            name: Of its RecordRange, or anything that tells the user which record it is.
            form: Of its RecordRange.
        Raises:
            RecordError: The bytes are cut short, damaged, or not what the index says.
        """
        ...


class _Entry(NamedTuple):
    module: str
    maker: str
    suffixes: tuple[str, ...]


_ENTRIES = {
    "hdf5": _Entry("hdf5", "Hdf5", (".h5", ".hdf5", ".hdf")),
    "npy": _Entry("npy", "Npy", (".npy",)),
    "npz": _Entry("npz", "Npz", (".npz",)),
    "safetensors": _Entry("safetensors", "Safetensors", (".safetensors",)),
    "tfrecord": _Entry("tfrecord", "TfRecord", (".tfrecord", ".tfrecords", ".tfrec")),
    "webdataset": _Entry("webdataset", "WebDataset", (".tar",)),
}
FORMATS = tuple(_ENTRIES)
"""Names of the formats that are known, as format_named() takes them."""
_SHARD_NUMBER = re.compile(r"-\d+-of-\d+$")  # train.tfrecord-00003-of-00128


def format_named(name: str, **options: Any) -> RecordFormat:
    """The format called `name`.

    Args:
        name: One of FORMATS.
        options: hdf5: `path`, the dataset inside each file, e.g. "train/images". The others take none.
    Raises:
        InvalidArgumentError: An unknown name or option; the message lists the valid ones.
    """
    entry = _ENTRIES.get(name)
    if entry is None:
        raise InvalidArgumentError(f"the record format is {name!r}; expected one of {', '.join(FORMATS)}")
    maker = getattr(importlib.import_module(f"s3dlio_core.records.{entry.module}"), entry.maker)
    valid: tuple[str, ...] = getattr(maker, "OPTIONS", ())
    unknown = sorted(set(options) - set(valid))
    if unknown:
        known = ", ".join(valid) or "none"
        message = f"the record format {name} has no option {', '.join(unknown)}; valid options: {known}"
        raise InvalidArgumentError(message)
    made: RecordFormat = maker(**options)
    return made


def format_of_key(key: str) -> str | None:
    """The name of the format whose objects have keys like this one; None: no format is known by it."""
    lowered = _SHARD_NUMBER.sub("", key.lower())
    for name, entry in _ENTRIES.items():
        if lowered.endswith(entry.suffixes):
            return name
    return None
