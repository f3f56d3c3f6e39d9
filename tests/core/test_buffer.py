"""Buffer, and what counts as memory of the caller's."""

from __future__ import annotations

import gc
import mmap
import pickle

import ml_dtypes
import numpy as np
import pytest
import torch

from s3dlio_core import Buffer, InvalidArgumentError, _ext, stats

DATA = bytes(range(256)) * 20


@pytest.fixture
def buffer() -> Buffer:
    return Buffer(DATA)


def test_sequence_of_bytes(buffer: Buffer) -> None:
    assert len(buffer) == len(DATA)
    assert buffer[0] == 0
    assert buffer[-1] == 255
    assert buffer[5:9] == DATA[5:9]
    assert buffer[-3:] == DATA[-3:]
    assert len(buffer[9:5]) == 0
    assert buffer.to_bytes() == bytes(buffer) == DATA
    with pytest.raises(IndexError):
        buffer[len(DATA)]
    with pytest.raises(InvalidArgumentError, match="steps of 1"):
        buffer[::2]
    with pytest.raises((IndexError, TypeError)):
        buffer["a"]  # type: ignore[call-overload]


def test_equality(buffer: Buffer) -> None:
    assert buffer == DATA
    assert buffer == bytearray(DATA)
    assert buffer == np.frombuffer(DATA, np.uint8)
    assert buffer != DATA[:-1]
    assert buffer != DATA[:-1] + b"x"
    assert buffer != "text"
    assert buffer != None  # noqa: E711
    with pytest.raises(TypeError, match="unhashable"):
        hash(buffer)


def test_views_share_and_can_be_written(buffer: Buffer) -> None:
    view = buffer.memoryview()
    assert (view.format, view.nbytes, view.readonly) == ("B", len(DATA), False)
    view[0] = 77
    part = buffer[0:10]
    array = np.frombuffer(part, np.uint8)
    assert array[0] == buffer[0] == 77
    array[1] = 78
    assert buffer[1] == 78


def test_dlpack(buffer: Buffer) -> None:
    tensor = torch.from_dlpack(buffer)
    assert (tensor.dtype, tensor.shape) == (torch.uint8, (len(DATA),))
    tensor[3] = 200
    assert buffer[3] == 200
    array = np.from_dlpack(buffer)
    assert array[3] == 200
    assert buffer.__dlpack_device__() == (1, 0)
    with pytest.raises(BufferError):
        buffer.__dlpack__(dl_device=(2, 0))
    with pytest.raises(BufferError):
        buffer.__dlpack__(copy=True)
    buffer.__dlpack__()  # a capsule nobody takes
    buffer.__dlpack__(max_version=(1, 0))


def test_memory_lives_as_long_as_any_view(buffer: Buffer) -> None:
    views = [np.frombuffer(buffer, np.uint8), torch.from_dlpack(buffer[1:]), memoryview(buffer[2:])]
    del buffer
    gc.collect()
    others = [Buffer(b"\xff" * len(DATA)) for _ in range(20)]
    assert views[0].tobytes() == DATA
    assert views[1].numpy().tobytes() == DATA[1:]
    assert bytes(views[2]) == DATA[2:]
    del others


def test_memory_returns_to_the_pool() -> None:
    before = stats()["pool_in_use_bytes"]
    buffer = _ext.allocate(10 << 20)
    tensor = torch.from_dlpack(buffer)
    assert stats()["pool_in_use_bytes"] >= before + (10 << 20)
    del buffer
    assert stats()["pool_in_use_bytes"] >= before + (10 << 20)
    del tensor
    gc.collect()
    assert stats()["pool_in_use_bytes"] == before


def test_alignment() -> None:
    for size in (1, 100, 5000, 3 << 20):
        assert np.frombuffer(_ext.allocate(size), np.uint8).ctypes.data % 4096 == 0


def test_empty() -> None:
    empty = Buffer(b"")
    assert (len(empty), bytes(empty), bytes(memoryview(empty))) == (0, b"", b"")
    assert empty == b""
    assert torch.from_dlpack(empty).shape == (0,)
    assert np.frombuffer(empty, np.uint8).size == 0


def test_pickles_and_shows_itself(buffer: Buffer) -> None:
    assert pickle.loads(pickle.dumps(buffer)) == DATA
    assert repr(buffer) == f"Buffer({len(DATA)} bytes)"


def test_absurd_size_is_an_error() -> None:
    with pytest.raises((InvalidArgumentError, OSError)):
        _ext.allocate(1 << 62)


TENSORS = [torch.uint8, torch.bool, torch.int64, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.complex64]


@pytest.mark.parametrize("dtype", TENSORS)
def test_tensors_of_any_dtype_are_memory(dtype: torch.dtype) -> None:
    tensor = torch.zeros(3, 5, dtype=torch.float32).to(dtype)
    assert _ext.memory_size(tensor, "data") == tensor.nbytes
    window = _ext.window(tensor, tensor.nbytes)
    window[:] = bytes(range(1, 16)) * (tensor.nbytes // 15)
    assert tensor.flatten().view(torch.uint8).numpy().tobytes() == bytes(window)


OTHERS = [
    bytearray(16), np.zeros(2), np.zeros((2, 2), np.float32), np.zeros(8, ml_dtypes.bfloat16), mmap.mmap(-1, 16),
    memoryview(bytearray(20))[2:18],
]  # fmt: skip


@pytest.mark.parametrize("memory", OTHERS, ids=lambda memory: type(memory).__name__)
def test_other_memory(memory: object) -> None:
    assert _ext.memory_size(memory, "data") == 16
    window = _ext.window(memory, 16)
    window[:] = bytes(range(16))
    assert Buffer(memory) == bytes(range(16))


def test_part_of_a_tensor() -> None:
    tensor = torch.zeros(4, 4, dtype=torch.uint8)
    _ext.window(tensor[1:3], 8)[:] = b"\x07" * 8
    assert tensor.tolist() == [[0] * 4, [7] * 4, [7] * 4, [0] * 4]


REFUSED = {
    "strided tensor": (torch.zeros(4, 4).t(), InvalidArgumentError, "not contiguous"),
    "tensor that requires grad": (torch.zeros(4, requires_grad=True), InvalidArgumentError, "grad"),
    "tensor on another device": (
        torch.zeros(4, device="meta"),
        InvalidArgumentError,
        "cannot be had.*meta",
    ),
    "strided array": (np.zeros((4, 4))[:, ::2], InvalidArgumentError, "not contiguous"),
    "strided bfloat16 array": (np.zeros((4, 4), ml_dtypes.bfloat16)[:, ::2], InvalidArgumentError, "not contiguous"),
    "read-only array": (np.frombuffer(b"1234", np.uint8), InvalidArgumentError, "read-only"),
    "bytes": (b"1234", InvalidArgumentError, "bytes that is read-only"),
    "text": ("text", TypeError, "found a str"),
    "none": (None, TypeError, "NoneType"),
    "number": (5, TypeError, "found a int"),
    "list": ([1, 2], TypeError, "found a list"),
}


@pytest.mark.parametrize("kind", list(REFUSED))
def test_refused_destination_says_what_was_found(kind: str) -> None:
    memory, error, said = REFUSED[kind]
    with pytest.raises(error, match=said):
        _ext.window(memory, 4)


def test_too_small_destination_says_both_sizes() -> None:
    with pytest.raises(InvalidArgumentError, match=r"17 bytes are needed.*holds 16"):
        _ext.window(bytearray(16), 17)


def test_memory_is_let_go() -> None:
    array = bytearray(100)
    window = _ext.window(array, 100)
    with pytest.raises(BufferError):
        array.append(1)
    del window
    array.append(1)
