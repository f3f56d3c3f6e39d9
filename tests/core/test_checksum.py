"""Checksums agree with those of other libraries, in one go, in pieces, in blocks and combined."""

from __future__ import annotations

import struct
import threading
import time
import zlib

import google_crc32c
import numpy as np
import pytest
import torch
from servers.content import content

from s3dlio_core import InvalidArgumentError
from s3dlio_core.checksum import crc32, crc32_blocks, crc32_combine, crc32c, crc64nvme

DATA = content(300_007, seed=12)
SIZES = [0, 1, 3, 4, 15, 16, 63, 64, 255, 256, 1023, 4096, 8191, 8192, 65_537, 300_007]


def test_known_values() -> None:
    assert crc32(b"123456789") == 0xCBF43926
    assert crc32c(b"123456789") == 0xE3069283
    assert crc64nvme(b"123456789") == 0xAE8B14860A799888


@pytest.mark.parametrize("size", SIZES)
def test_agree_with_others(size: int) -> None:
    assert crc32(DATA[:size]) == zlib.crc32(DATA[:size])
    assert crc32c(DATA[:size]) == google_crc32c.value(DATA[:size])


@pytest.mark.parametrize("cut", [0, 1, 7, 4096, 200_001, 300_007])
def test_go_on_from_a_value(cut: int) -> None:
    first, second = DATA[:cut], DATA[cut:]
    for checksum in (crc32, crc32c, crc64nvme):
        assert checksum(second, checksum(first)) == checksum(DATA)
    assert crc32_combine(crc32(first), crc32(second), len(second)) == zlib.crc32(DATA)


@pytest.mark.parametrize("block_size", [1, 1000, 4096, 300_006, 300_007, 300_008, 1 << 40])
def test_blocks(block_size: int) -> None:
    data = DATA[:5000] if block_size == 1 else DATA
    blocks = [data[at : at + block_size] for at in range(0, len(data), block_size)]
    assert crc32_blocks(data, block_size) == struct.pack(f"<{len(blocks)}I", *map(zlib.crc32, blocks))


def test_no_data_has_no_blocks() -> None:
    assert crc32_blocks(b"", 4096) == b""
    with pytest.raises(InvalidArgumentError, match="block_size is 0"):
        crc32_blocks(b"x", 0)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bfloat16, torch.float64, torch.bool, torch.float8_e4m3fn])
def test_memory_of_tensors(dtype: torch.dtype) -> None:
    tensor = torch.frombuffer(bytearray(DATA[:4096]), dtype=torch.uint8)
    tensor = (tensor % 2 if dtype is torch.bool else tensor).view(dtype)
    expected = zlib.crc32(tensor.view(torch.uint8).numpy())
    assert crc32(tensor) == expected
    assert crc32(tensor.reshape(2, -1)) == expected
    assert crc32_blocks(tensor, 4096) == struct.pack("<I", expected)


def test_other_memory() -> None:
    array = np.arange(1000, dtype=np.float32)
    assert crc32(array) == zlib.crc32(array)
    assert crc32(memoryview(bytearray(DATA))[5:]) == zlib.crc32(DATA[5:])


def test_what_holds_no_memory_is_refused() -> None:
    with pytest.raises(TypeError, match="str"):
        crc32("text")
    with pytest.raises(TypeError):
        crc32(b"x", -1)
    with pytest.raises(InvalidArgumentError, match="contiguous"):
        crc32(torch.zeros(4, 4).t())


def test_others_run_meanwhile() -> None:
    """The GIL is let go: another thread gets a turn in the middle of a large checksum, sooner or later."""
    memory = np.zeros(1 << 28, dtype=np.uint8)
    turns: list[float] = []
    stop = threading.Event()

    def take_turns() -> None:
        while not stop.wait(0.0005):
            turns.append(time.monotonic())

    thread = threading.Thread(target=take_turns)
    thread.start()
    try:
        for _ in range(1000):  # a busy machine may not give it one each time
            began = time.monotonic()
            crc32(memory)
            quarter = (time.monotonic() - began) / 4
            if any(began + quarter < turn < began + 3 * quarter for turn in turns):
                return
            turns.clear()
    finally:
        stop.set()
        thread.join()
    raise AssertionError("the other thread stood still during every checksum")
