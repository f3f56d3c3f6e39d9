"""Decoded records as tensors."""

from __future__ import annotations

import io

import numpy
import pytest
import torch
from safetensors.torch import save

from s3dlio_core import RecordError
from s3dlio_core.records import RawTensor, format_named
from s3dlio_core.records.reader import HeadReader
from s3dlio_torch.record_sample import record_to_torch


def records_of(format: str, data: bytes) -> dict[str, object]:
    made = format_named(format)
    memory = bytearray(data)
    ranges = made.index(HeadReader.over(memory), len(memory))
    return {r.name: record_to_torch(made.decode(memoryview(memory)[r.start : r.end], r.name, r.form)) for r in ranges}


def test_bytes_become_uint8_over_the_same_memory() -> None:
    memory = bytearray(b"abc")
    tensor = record_to_torch(memoryview(memory))
    assert tensor.dtype == torch.uint8
    memory[0] = 120
    assert bytes(tensor.tolist()) == b"xbc"
    assert record_to_torch(b"read-only").shape == (9,)
    assert record_to_torch(memoryview(b"")).shape == (0,)


def test_a_webdataset_sample_keeps_its_key() -> None:
    sample = record_to_torch({"__key__": "a/0001", "jpg": memoryview(b"12"), "cls": b"7"})
    assert sample["__key__"] == "a/0001"
    assert (sample["jpg"].tolist(), sample["cls"].tolist()) == ([49, 50], [55])


def test_all_that_safetensors_writes_comes_back() -> None:
    kinds = [
        torch.bool, torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32, torch.uint32, torch.int64,
        torch.uint64, torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.float8_e4m3fn,
        torch.float8_e5m2,
    ]  # fmt: skip
    tensors = {str(kind): torch.arange(12).reshape(3, 4).to(kind) for kind in kinds}
    tensors |= {
        "empty": torch.zeros(0, 3),
        "empty bf16": torch.zeros(2, 0, dtype=torch.bfloat16),
        "scalar": torch.tensor(2.5),
    }
    found = records_of("safetensors", save(tensors))
    assert found.keys() == tensors.keys()
    for name, expected in tensors.items():
        tensor = found[name]
        assert (tensor.dtype, tensor.shape) == (expected.dtype, expected.shape)
        assert torch.equal(tensor.reshape(-1).view(torch.uint8), expected.reshape(-1).view(torch.uint8)), name


@pytest.mark.parametrize("compressed", [False, True])
def test_arrays(compressed: bool) -> None:
    file = io.BytesIO()
    arrays = {
        "little": numpy.arange(6, dtype="<f4").reshape(2, 3),
        "big": numpy.arange(6, dtype=">i4"),
        "one": numpy.array(3),
    }
    (numpy.savez_compressed if compressed else numpy.savez)(file, **arrays)
    found = records_of("npz", file.getvalue())
    assert found["little"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert (found["big"].dtype, found["big"].tolist()) == (torch.int32, [0, 1, 2, 3, 4, 5])
    assert (found["one"].shape, found["one"].item()) == ((), 3)
    found["little"] += 1  # writable memory, also of what was inflated


def test_what_torch_has_no_type_for_stays() -> None:
    for array in (numpy.array(["a", "b"]), numpy.array(["2026-01-01"], "M8[D]"), numpy.zeros(2, numpy.longdouble)):
        assert record_to_torch(array) is array
    with pytest.raises(RecordError, match="F6_E2M3"):
        record_to_torch(RawTensor("F6_E2M3", (4,), memoryview(bytes(3))))
