"""The parser of torch.save archives: finds what torch wrote, and notices whatever is changed."""

from __future__ import annotations

import contextlib
import io
import math
import zipfile

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from s3dlio_core.checkpoint.read.torch_archive import check_archive, read_tensor_archive
from s3dlio_core.checkpoint.zip_records import ArchiveDamaged, Ends, UnusualArchive, read_records

DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.uint16, torch.uint32, torch.uint64, torch.bool, torch.complex64, torch.complex128,
    torch.float8_e4m3fn, torch.float8_e5m2,
]  # fmt: skip


def saved(value: object) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


def some(dtype: torch.dtype, *shape: int) -> torch.Tensor:
    size = torch.Size(shape).numel() * dtype.itemsize
    return (torch.arange(size) % 2).to(torch.uint8).view(dtype).reshape(shape)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_payload_is_found(dtype: torch.dtype) -> None:
    for shape in [(), (7,), (3, 4), (2, 3, 4), (2, 1, 3, 2, 2), (0, 5), (300, 233)]:
        tensor = some(dtype, *shape)
        data = saved(tensor)
        found = read_tensor_archive(data[:1024], data[-1536:], len(data))
        assert (f"torch.{found.dtype}", found.shape, found.nbytes) == (str(dtype), shape, tensor.nbytes)
        payload = data[found.payload_offset : found.payload_offset + found.nbytes]
        assert payload == tensor.contiguous().view(-1).view(torch.uint8).numpy().tobytes()


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 1, 0), (0, 2, 1), (2, 0, 1)], ids=str)
@pytest.mark.parametrize("shape", [(3, 4, 5), (3, 1, 5), (1, 4, 1)], ids=str)
def test_dimensions_in_another_order_are_told(order: tuple[int, ...], shape: tuple[int, ...]) -> None:
    tensor = torch.arange(math.prod(shape)).reshape(shape).permute(order)
    data = saved(tensor)
    found = read_tensor_archive(data, b"", len(data))
    payload = torch.frombuffer(bytearray(data), dtype=torch.int64, offset=found.payload_offset, count=tensor.numel())
    in_memory = payload.view([tensor.shape[dimension] for dimension in found.order])
    assert found.shape == tensor.shape
    assert torch.equal(in_memory, tensor.permute(found.order))


def test_a_large_extent_and_many_dimensions() -> None:
    data = saved(torch.zeros(70_000, 1, 2, dtype=torch.uint8))
    assert read_tensor_archive(data, b"", len(data)).shape == (70_000, 1, 2)


@pytest.mark.parametrize(
    "value",
    [
        torch.arange(12)[3:],
        [torch.arange(3)],
        {"lr": 1.0},
        torch.nn.Parameter(torch.ones(2)),
        torch.arange(6).to_sparse(),
    ],
    ids=["view", "list", "dict", "parameter", "sparse"],
)
def test_anything_but_one_row_major_tensor_is_left_to_torch(value: object) -> None:
    data = saved(value)
    with pytest.raises(UnusualArchive):
        read_tensor_archive(data, b"", len(data))
    check_archive(data)  # sound nevertheless


def test_an_archive_that_is_none_is_left_to_torch() -> None:
    legacy = io.BytesIO()
    torch.save(torch.ones(3), legacy, _use_new_zipfile_serialization=False)
    deflated = io.BytesIO()
    with zipfile.ZipFile(deflated, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"x" * 1000)
    for data in (legacy.getvalue(), deflated.getvalue(), b"", b"PK", bytes(3000)):
        with pytest.raises(UnusualArchive):
            check_archive(data)


@pytest.mark.parametrize("tensor", [torch.arange(25), torch.zeros(0), torch.tensor(2.5)], ids=["25", "0", "scalar"])
def test_every_flipped_byte_is_noticed(tensor: torch.Tensor) -> None:
    data = bytearray(saved(tensor))
    for place in range(len(data)):
        data[place] ^= 0x10
        with pytest.raises(ArchiveDamaged):
            check_archive(data)
        data[place] ^= 0x10
    check_archive(data)


def test_without_the_payload_every_other_flipped_byte_is_noticed() -> None:
    tensor = torch.arange(4000)
    data = bytearray(saved(tensor))
    found = read_tensor_archive(data[:1024], data[-1536:], len(data))
    payload = range(found.payload_offset, found.payload_offset + found.nbytes)
    for place in range(len(data)):
        if place in payload:
            continue
        data[place] ^= 0x01
        with pytest.raises((ArchiveDamaged, UnusualArchive)) as caught:
            read_tensor_archive(data[:1024], data[-1536:], len(data))
        if caught.type is UnusualArchive:  # it points to bytes that are not at hand: then all of it is read
            with pytest.raises(ArchiveDamaged):
                check_archive(data)
        data[place] ^= 0x01


def test_an_archive_without_checksums_is_read_and_not_compared() -> None:
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        data = saved(torch.arange(5))
    finally:
        torch.serialization.set_crc32_options(before)
    assert read_tensor_archive(data, b"", len(data)).crc is None


ARCHIVE = saved(torch.arange(300))


@given(st.integers(0, len(ARCHIVE)), st.integers(0, len(ARCHIVE)), st.binary(max_size=40))
@settings(max_examples=400)
def test_no_change_leads_to_anything_but_the_two_errors(start: int, end: int, put: bytes) -> None:
    data = ARCHIVE[: min(start, end)] + put + ARCHIVE[max(start, end) :]
    for head, tail in ((data, b""), (data[:900], data[-1000:])):
        try:
            found = read_tensor_archive(head, tail, len(data))
        except (ArchiveDamaged, UnusualArchive):
            continue
        assert found.payload_offset + found.nbytes <= len(data)


@given(st.binary(max_size=400), st.booleans())
@settings(max_examples=300)
def test_no_bytes_lead_to_anything_but_the_two_errors(data: bytes, ended: bool) -> None:
    data += ARCHIVE[-98:] if ended else b""
    with contextlib.suppress(ArchiveDamaged, UnusualArchive):
        read_records(Ends(data, b"", len(data)))
