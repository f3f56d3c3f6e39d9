"""What a dataset yields for a sample: a tensor, bytes, a reader, a decoded record, or what a transform makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from s3dlio_core.errors import StorageError, naming
from s3dlio_core.loader import Manifest, RecordManifest
from s3dlio_torch.readers import RangeReader, S3ReaderConstructor, SampleReader
from s3dlio_torch.record_sample import record_to_torch

__all__ = ["ReturnType", "SampleMaker", "Transform", "check_return_type"]

ReturnType = Literal["tensor", "bytes", "reader"]
RETURN_TYPES: tuple[ReturnType, ...] = ("tensor", "bytes", "reader")
Transform = Callable[[Any], Any]


def check_return_type(value: str) -> ReturnType:
    """`value` if it is one of the three, else ValueError naming them."""
    for known in RETURN_TYPES:
        if value == known:
            return known
    raise ValueError(f"return_type is {value!r}; expected one of {', '.join(RETURN_TYPES)}")


@dataclass(frozen=True)
class SampleMaker:
    """Makes samples of the bytes that arrived.

    Attributes:
        return_type: "tensor": uint8, shape [size], over the received memory; "bytes": a copy; "reader": a file over it.
            Of a decoded record, each piece of bytes becomes that, and with "tensor" each array a tensor.
        transform: Called with that; what it returns is the sample.
        reader: With "reader", what kind.
    """

    return_type: ReturnType = "tensor"
    transform: Transform | None = None
    reader: S3ReaderConstructor = field(default_factory=S3ReaderConstructor)

    @property
    def fetches(self) -> bool:
        """Whether the bytes are wanted beforehand."""
        return self.return_type != "reader" or self.reader.kind == "sequential"

    def takes_rows(self, manifest: Manifest) -> bool:
        """Whether the bytes may arrive as rows of one tensor."""
        return self.return_type == "tensor" and not isinstance(manifest, RecordManifest)

    def check(self, manifest: Manifest) -> None:
        """Raise ValueError if samples of `manifest` cannot be made so."""
        if not self.fetches and isinstance(manifest, RecordManifest):
            raise ValueError("range_based readers read whole objects; leave reader_constructor out with records")

    def make(self, manifest: Manifest, index: int, data: Any) -> Any:
        """The sample at `index`.

        Args:
            data: Its bytes: a Buffer, a uint8 tensor of shape [size], or any memory; None where fetches is False.
        Raises:
            RecordError: A damaged record.
        """
        if not isinstance(manifest, RecordManifest):
            plain = self._of_object(manifest, index, data)
        else:
            plain = self._of_record(manifest, index, manifest.decode(index, memoryview(data)))
        if self.transform is None:
            return plain
        try:
            return self.transform(plain)
        except StopIteration as error:  # would end the epoch
            raise RuntimeError(f"the transform raised StopIteration for {_uri(manifest, index)}") from error
        except Exception as error:
            if isinstance(error, StorageError):
                naming(error, "transform", manifest.store.uri_of(manifest.item(index).key))
            # A note keeps the error what it is, and is in the text that a worker process sends.
            error.add_note(f"raised by the transform, for the sample {_uri(manifest, index)}")
            raise

    def _of_object(self, manifest: Manifest, index: int, data: Any) -> Any:
        if data is None:
            item = manifest.item(index)
            return RangeReader(manifest.store, item.key, self.reader.buffer_size, size=item.size, etag=item.etag)
        if self.return_type == "tensor":
            return as_tensor(data)
        if self.return_type == "bytes":
            return bytes(data)
        return SampleReader(data, manifest.store.bucket, manifest.name(index))

    def _of_record(self, manifest: Manifest, index: int, record: Any) -> Any:
        if self.return_type == "tensor":
            return record_to_torch(record)
        if isinstance(record, dict):
            return {name: self._of_record(manifest, index, value) for name, value in record.items()}
        if isinstance(record, (memoryview, bytes, bytearray)):
            return self._of_object(manifest, index, record)
        return record


def _uri(manifest: Manifest, index: int) -> str:
    """Of the object, with the record's name behind a "#" where it is one."""
    store = manifest.store
    return store.uri_of(manifest.name(index)[len(store.prefix) :])


def as_tensor(data: Any) -> torch.Tensor:
    """A Buffer (or a tensor already) as uint8 of shape [size], over the same memory."""
    if isinstance(data, torch.Tensor):
        return data
    return torch.utils.dlpack.from_dlpack(data) if len(data) else torch.empty(0, dtype=torch.uint8)
