"""safetensors: the tensors of an object are its records."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from s3dlio_core.errors import RecordError
from s3dlio_core.formats.safetensors_header import DTYPE_BITS, read_header
from s3dlio_core.records.arrays import ArrayForm, array_of
from s3dlio_core.records.format import RecordRange
from s3dlio_core.records.raw_tensor import RawTensor
from s3dlio_core.records.reader import HeadReader

if TYPE_CHECKING:
    import numpy

__all__ = ["Safetensors"]

_NUMPY = {
    "BOOL": "|b1", "U8": "|u1", "I8": "|i1", "I16": "<i2", "U16": "<u2", "F16": "<f2", "I32": "<i4", "U32": "<u4",
    "F32": "<f4", "C64": "<c8", "F64": "<f8", "I64": "<i8", "U64": "<u8",
}  # fmt: skip
_FORM = re.compile(r"([A-Z0-9_]+) ((?:[0-9]{1,19}(?:,[0-9]{1,19})*)?)")


class Safetensors:
    """Tensors by name. A decoded record is a numpy array, or a RawTensor for bfloat16 and the 8-bit floats."""

    name = "safetensors"
    suffixes = (".safetensors",)

    def index(self, reader: HeadReader, size: int) -> Iterator[RecordRange]:
        """Reads the head only."""
        header = read_header(lambda start, end: reader.at(start, end - start), size, "")
        for tensor in header.tensors.values():
            # A range cannot be empty: an empty tensor has the byte before it, which decode() passes over.
            start = tensor.start if tensor.nbytes else tensor.start - 1
            form = f"{tensor.dtype} {','.join(map(str, tensor.shape))}"
            yield RecordRange(start, tensor.end, tensor.name, form)

    def decode(self, data: memoryview, name: str, form: str = "") -> numpy.ndarray[Any, Any] | RawTensor:
        """The tensor, over `data`."""
        found = _FORM.fullmatch(form)
        if found is None or found[1] not in DTYPE_BITS:
            raise RecordError(f"the index describes {name!r} as {form[:80]!r}; expected a dtype and a shape")
        dtype = found[1]
        # By bits: some types share a byte.
        bits = ArrayForm.checked("|u1", [int(extent) for extent in found[2].split(",") if extent])
        nbytes = bits.nbytes * DTYPE_BITS[dtype] // 8
        if len(data) != max(nbytes, 1):
            raise RecordError(f"the tensor {name!r} has {len(data)} bytes; one of {form} has {nbytes}")
        contents = data[:nbytes]
        if dtype in _NUMPY:
            return array_of(contents, ArrayForm.checked(_NUMPY[dtype], bits.shape))
        return RawTensor(dtype, bits.shape, contents)
