"""safetensors objects, written by the format's own library."""

from __future__ import annotations

import json
import struct

import ml_dtypes
import numpy
import pytest
from core.records.record_bytes import decoded, ranges_of
from safetensors.numpy import save

from s3dlio_core import RecordError
from s3dlio_core.records import RawTensor, format_named
from s3dlio_core.records.reader import HeadReader

FORMAT = format_named("safetensors")


def test_tensors_of_what_the_library_writes() -> None:
    tensors = {
        f"layer.{name}": numpy.arange(24).reshape(2, 3, 4).astype(name)
        for name in ("bool", "u1", "i1", "u2", "i2", "f2", "u4", "i4", "f4", "u8", "i8", "f8", "c8")
    }
    tensors |= {"empty": numpy.zeros((0, 3), "f4"), "scalar": numpy.array(2.5, "f4")}
    data = save(tensors, metadata={"format": "np"})
    found = {record.name: array for record, array in zip(ranges_of(FORMAT, data), decoded(FORMAT, data), strict=True)}
    assert found.keys() == tensors.keys()
    for name, expected in tensors.items():
        assert (found[name].dtype, found[name].shape) == (expected.dtype, expected.shape)
        assert numpy.array_equal(found[name], expected)


@pytest.mark.parametrize(
    ("dtype", "name"), [("bfloat16", "BF16"), ("float8_e4m3fn", "F8_E4M3"), ("float8_e5m2", "F8_E5M2")]
)
def test_what_numpy_lacks_comes_as_bytes(dtype: str, name: str) -> None:
    array = numpy.arange(6).reshape(2, 3).astype(getattr(ml_dtypes, dtype))
    head = {"w": {"dtype": name, "shape": [2, 3], "data_offsets": [0, array.nbytes]}}
    text = json.dumps(head).encode()
    (tensor,) = decoded(FORMAT, struct.pack("<Q", len(text)) + text + array.tobytes())
    assert isinstance(tensor, RawTensor)
    assert (tensor.dtype, tensor.shape, bytes(tensor.data)) == (name, (2, 3), array.tobytes())


def test_only_the_head_is_read() -> None:
    data = save({"a": numpy.zeros(1 << 20, "f4"), "b": numpy.zeros(1 << 20, "f4")})
    reader = HeadReader.over(data)
    assert len(list(FORMAT.index(reader, len(data)))) == 2
    assert reader.bytes_read <= 256 << 10


@pytest.mark.parametrize("form", ["", "F32", "F32 7", "X32 6", "F32 6,1", "F32 99999999999,99999999999,999999999"])
def test_a_form_that_does_not_fit_is_refused(form: str) -> None:
    with pytest.raises(RecordError):
        FORMAT.decode(memoryview(bytes(20)), "w", form)


def test_an_object_cut_short_is_an_error() -> None:
    data = save({"a": numpy.zeros(100, "f4")})
    for size in (0, 7, 20, len(data) - 1):
        with pytest.raises(RecordError):
            ranges_of(FORMAT, data[:size])
