"""Compressed items: independent frames, refused by torch's own reader until it is told how, and then equal."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed.checkpoint as dcp
import zstandard
from checkpoints.states import all_kinds, assert_equal, load_by_torch
from torch.distributed.checkpoint import FileSystemReader
from torch.distributed.checkpoint._extension import ExtensionRegistry
from torch.distributed.checkpoint.api import CheckpointException

from s3dlio_core import InvalidArgumentError
from s3dlio_core.checkpoint import ItemIndex
from s3dlio_torch.dcp import StorageWriter, ZstdFrames, ZstdPlanes
from s3dlio_torch.dcp.zstd_extension import join_planes, split_planes

pytestmark = [
    pytest.mark.filterwarnings("ignore:torch.distributed is disabled"),
    pytest.mark.filterwarnings("ignore:ComplexHalf support"),
]


def registry() -> ExtensionRegistry:
    known = ExtensionRegistry()
    known.register(ZstdFrames)
    known.register(ZstdPlanes)
    return known


@pytest.mark.parametrize("compression", ["zstd", "zstd-planes"])
def test_torch_reads_every_kind(tmp_path: Path, compression: str) -> None:
    state = all_kinds()
    state["several frames"] = torch.arange(1_300_003, dtype=torch.int32)
    state["several frames, staged"] = torch.arange(1_300_000).view(1300, 1000).t()
    writer = StorageWriter(f"file://{tmp_path}", compression=compression, staging_bytes=1 << 20)
    dcp.save(state, storage_writer=writer, no_dist=True)
    assert_equal(load_by_torch(str(tmp_path), state, registry()), state)


@pytest.mark.parametrize("compression", ["zstd", "zstd-planes"])
def test_torch_refuses_what_it_does_not_know(tmp_path: Path, compression: str) -> None:
    state = {"weight": torch.zeros(1 << 17)}
    dcp.save(state, storage_writer=StorageWriter(f"file://{tmp_path}", compression=compression), no_dist=True)
    with pytest.raises(CheckpointException, match=f"Unknown extension.*s3dlio.{compression}"):
        load_by_torch(str(tmp_path), state)


@pytest.mark.parametrize(("dtype", "codec"), [(torch.bfloat16, "zstd-planes"), (torch.int8, "zstd")])
def test_each_frame_stands_alone(tmp_path: Path, dtype: torch.dtype, codec: str) -> None:
    tensor = (torch.arange(3_000_001) % 100).to(dtype)
    writer = StorageWriter(f"file://{tmp_path}", compression="zstd-planes", thread_count=1)
    dcp.save({"weight": tensor}, storage_writer=writer, no_dist=True)
    (info,) = FileSystemReader(tmp_path).read_metadata().storage_data.values()
    index = ItemIndex.from_primitive(info.s3dlio_index)
    assert index.codec == codec
    assert info.length < tensor.nbytes / 3
    stored = (tmp_path / info.relative_path).read_bytes()[info.offset : info.offset + info.length]
    expected = tensor.view(torch.uint8)
    for number, start in enumerate(range(0, index.nbytes, index.frame_size)):
        first, last = index.frame(number)
        raw = zstandard.decompress(stored[index.payload_offset + first : index.payload_offset + last])
        frame = torch.frombuffer(bytearray(raw), dtype=torch.uint8)
        if codec == "zstd-planes":
            frame = join_planes(frame, dtype.itemsize)
        assert torch.equal(frame, expected[start : start + index.frame_size])
    assert 8 * (number + 1) == len(index.frame_ends)


@pytest.mark.parametrize("width", [2, 4, 8])
def test_planes_and_back(width: int) -> None:
    frame = torch.arange(width * 37).to(torch.uint8)
    planes = split_planes(frame, width)
    assert planes[:37].tolist() == frame[::width].tolist()
    assert torch.equal(join_planes(planes, width), frame)


def test_a_compressed_item_cut_short_is_no_tensor() -> None:
    stored = zstandard.compress(bytes(100_000))
    with pytest.raises(ValueError, match="cut short"):
        ZstdFrames().transform_from(io.BytesIO(stored[:-5]))


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(InvalidArgumentError, match="pip install zstandard"):
        StorageWriter("file:///tmp/ck", compression="zstd")


def test_an_unknown_codec() -> None:
    with pytest.raises(InvalidArgumentError, match="zstd-planes"):
        StorageWriter("file:///tmp/ck", compression="gzip")
