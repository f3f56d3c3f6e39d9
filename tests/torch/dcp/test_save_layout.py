"""What a save leaves behind: torch's own readers load it, bit by bit; it lies as docs/formats/checkpoint.md says."""

from __future__ import annotations

import io
import itertools
import pickle
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint as dcp
from checkpoints.states import all_kinds, assert_equal, empty_like, load_by_torch, random_tensor
from servers.access import credentials_of
from servers.seaweedfs import LocalS3
from torch.distributed._functional_collectives import AsyncCollectiveTensor
from torch.distributed.checkpoint import FileSystemReader
from torch.distributed.checkpoint._fsspec_filesystem import FsspecReader
from torch.distributed.checkpoint.filesystem import _StorageInfo

from s3dlio_core import CheckpointError, Tuning, open_store
from s3dlio_core.checkpoint import ItemIndex
from s3dlio_torch.dcp import StorageReader, StorageWriter
from s3dlio_torch.dcp.item_archive import tensor_archive
from s3dlio_torch.dcp.save import plan as save_plan

pytestmark = [
    pytest.mark.filterwarnings("ignore:torch.distributed is disabled"),
    pytest.mark.filterwarnings("ignore:ComplexHalf support"),
    pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor"),
    pytest.mark.filterwarnings("ignore:TypedStorage is deprecated"),
]
MIB = 1 << 20


@pytest.fixture
def _small_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rank with 1 MiB to save already divides it."""
    monkeypatch.setattr(save_plan, "_WORTH_ANOTHER_OBJECT", MIB)


def save(state: dict[str, Any], uri: str, **options: Any) -> None:
    dcp.save(state, storage_writer=StorageWriter(uri, **options), no_dist=True)


def items_of(folder: Path) -> dict[str, tuple[_StorageInfo, ItemIndex, bytes]]:
    metadata = FileSystemReader(folder).read_metadata()
    found = {}
    for index, info in metadata.storage_data.items():
        stored = (folder / info.relative_path).read_bytes()[info.offset : info.offset + info.length]
        found[index.fqn] = info, ItemIndex.from_primitive(info.s3dlio_index), stored
    return found


@pytest.mark.parametrize("scheme", ["file", "direct"])
def test_torch_reads_every_kind(tmp_path: Path, scheme: str) -> None:
    state = all_kinds()
    save(state, f"{scheme}://{tmp_path}/ck")
    assert_equal(load_by_torch(str(tmp_path / "ck"), state), state)


def test_torch_reads_through_fsspec(tmp_path: Path) -> None:
    state = all_kinds()
    save(state, f"file://{tmp_path}/ck")
    loaded = empty_like(state)
    dcp.load(loaded, storage_reader=FsspecReader(f"file://{tmp_path}/ck"), no_dist=True)
    assert_equal(loaded, state)


@pytest.mark.usefixtures("_small_objects")
@pytest.mark.parametrize("thread_count", [1, 3])
def test_the_same_over_s3(seaweedfs: LocalS3, tmp_path: Path, name: str, thread_count: int) -> None:
    state = all_kinds() | {f"layer.{n}": random_tensor(torch.bfloat16, 3, 1 << 20, seed=n) for n in range(4)}
    uri = f"s3://train/{name}/step-1"
    tuning = Tuning(part_size=5 << 20, multipart_threshold=6 << 20)
    save(state, uri, options=credentials_of(seaweedfs), thread_count=thread_count, tuning=tuning)
    with open_store(uri, **credentials_of(seaweedfs)) as store:
        for meta in store.list():
            (tmp_path / meta.key).write_bytes(bytes(store.get(meta.key)))
    assert len(list(tmp_path.iterdir())) == 1 + thread_count
    assert_equal(load_by_torch(str(tmp_path), state), state)


def test_items_are_whole_archives_with_true_checksums(tmp_path: Path) -> None:
    state = all_kinds()
    save(state, f"file://{tmp_path}/ck")
    items = items_of(tmp_path / "ck")
    tensors = {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    for name, tensor in tensors.items():
        info, index, stored = items[name]
        archive = zipfile.ZipFile(io.BytesIO(stored))
        assert archive.testzip() is None, name
        payload = archive.read("archive/data/0")
        assert stored[index.payload_offset : index.payload_offset + index.nbytes] == payload, name
        assert (index.dtype, index.shape) == (str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape))
        blocks = [payload[at : at + index.block_size] for at in range(0, len(payload), index.block_size)]
        assert index.head_crc == zlib.crc32(stored[: index.payload_offset]), name
        assert index.tail_crc == zlib.crc32(stored[index.payload_offset + index.nbytes :]), name
        assert index.crcs == b"".join(zlib.crc32(block).to_bytes(4, "little") for block in blocks), name
        if index.nbytes >= 64 << 10:
            assert (info.offset + index.payload_offset) % 4096 == 0, name
    info, index, stored = items["plain.step"]
    assert (index.dtype, index.payload_offset, index.nbytes) == ("", 0, len(stored))
    assert index.crc(0) == zlib.crc32(stored)


def test_tiny_tensors_are_packed_and_gaps_are_zero(tmp_path: Path) -> None:
    state = {f"tiny.{n}": torch.full((8,), n) for n in range(50)} | {"large": random_tensor(torch.float32, 100, 1000)}
    save(state, f"file://{tmp_path}/ck")
    items = items_of(tmp_path / "ck")
    places = sorted((info.offset, info.offset + info.length) for info, _, _ in items.values())
    (data,) = (tmp_path / "ck").glob("*.distcp")
    content = data.read_bytes()
    gaps = [content[end:start] for (_, end), (start, _) in itertools.pairwise(places)]
    assert places[0][0] == 0
    assert places[-1][1] == len(content)
    assert not any(any(gap) for gap in gaps)
    assert sum(map(bool, gaps)) <= 1  # before the large one
    assert max(map(len, gaps)) < 4096


def test_what_rides_in_the_metadata_is_primitive(tmp_path: Path) -> None:
    save(all_kinds(), f"file://{tmp_path}/ck")
    for info, _, _ in items_of(tmp_path / "ck").values():
        assert type(info.s3dlio_index) is dict
        for value in info.s3dlio_index.values():
            assert type(value) in (int, str, bytes, tuple)
    assert pickle.loads((tmp_path / "ck" / ".metadata").read_bytes()).version == "1.0.0"


@pytest.mark.usefixtures("_small_objects")
def test_objects_are_shared_out_by_size(tmp_path: Path) -> None:
    state = {f"layer.{n}": random_tensor(torch.uint8, MIB, seed=n) for n in range(8)}
    save(state, f"file://{tmp_path}/ck", thread_count=4)
    sizes = [path.stat().st_size for path in (tmp_path / "ck").glob("*.distcp")]
    assert len(sizes) == 4
    assert max(sizes) < 2 * MIB + 20_000
    assert_equal(load_by_torch(str(tmp_path / "ck"), state), state)


def test_little_goes_into_one_object(tmp_path: Path) -> None:
    save({"a": torch.ones(10), "b": torch.ones(10)}, f"file://{tmp_path}/ck", thread_count=8)
    assert len(list((tmp_path / "ck").glob("*.distcp"))) == 1


def test_an_empty_state_dict(tmp_path: Path) -> None:
    save({}, f"file://{tmp_path}/ck")
    assert [path.name for path in (tmp_path / "ck").iterdir()] == [".metadata"]
    assert load_by_torch(str(tmp_path / "ck"), {}) == {}


@pytest.mark.parametrize("dtype", [torch.bool, torch.bfloat16, torch.float32, torch.int64, torch.complex128], ids=str)
def test_staged_in_many_pieces(tmp_path: Path, dtype: torch.dtype) -> None:
    """Larger than the staging buffers, with strides that make no piece fit evenly."""
    state = {
        "columns": random_tensor(dtype, 1031, 4 * 1543 // dtype.itemsize * 2, seed=1).t()[::2],
        "rows larger than a buffer": random_tensor(dtype, 3, 2 * 1_100_003 // dtype.itemsize, seed=2)[:, ::2],
    }
    save(state, f"file://{tmp_path}/ck", staging_bytes=1 << 20)
    assert_equal(load_by_torch(str(tmp_path / "ck"), state), state)


def test_a_tensor_that_a_collective_still_fills(tmp_path: Path) -> None:
    save({"gathered": AsyncCollectiveTensor(torch.arange(100_000))}, f"file://{tmp_path}/ck")
    _, index, _ = items_of(tmp_path / "ck")["gathered"]
    assert index.dtype == "int64"
    expected = {"gathered": torch.arange(100_000)}
    assert_equal(load_by_torch(str(tmp_path / "ck"), expected), expected)


def test_unusual_tensors_are_saved_by_torch(tmp_path: Path) -> None:
    state = {"quantized": torch.quantize_per_tensor(torch.randn(40, 40), 0.1, 10, torch.quint8)}
    save(state, f"file://{tmp_path}/ck")
    info, index, stored = items_of(tmp_path / "ck")["quantized"]
    assert (index.dtype, index.payload_offset, index.nbytes) == ("", 0, info.length)
    assert torch.equal(torch.load(io.BytesIO(stored)).int_repr(), state["quantized"].int_repr())


def test_a_planner_that_gives_another_shape_is_refused(tmp_path: Path) -> None:
    class Cutting(dcp.DefaultSavePlanner):
        def transform_object(self, write_item: Any, object: Any) -> Any:
            return super().transform_object(write_item, object)[:1]

    with pytest.raises(BaseException, match="shape") as caught:
        dcp.save(
            {"a": torch.ones(4, 4)},
            storage_writer=StorageWriter(f"file://{tmp_path}/ck"),
            planner=Cutting(),
            no_dist=True,
        )
    assert isinstance(caught.value.failures[0][0], CheckpointError)
    assert not (tmp_path / "ck" / ".metadata").exists()
    assert list((tmp_path / "ck").glob("*")) == []


def test_torch_reads_an_archive_of_more_than_four_gibibytes(tmp_path: Path) -> None:
    shape = (5, 1 << 30)
    archive = tensor_archive(torch.uint8, shape)
    with open(tmp_path / "item", "wb") as file:  # a hole where the payload would be
        file.write(archive.head)
        file.seek(archive.payload_size, io.SEEK_CUR)
        file.write(archive.tail(0))
    tensor = torch.load(tmp_path / "item", mmap=True, weights_only=True)
    assert (tensor.dtype, tuple(tensor.shape)) == (torch.uint8, shape)
    assert tensor[4, -3:].tolist() == [0, 0, 0]


@pytest.mark.parametrize("compression", [None, "zstd", "zstd-planes"])
def test_our_own_reader(tmp_path: Path, compression: str | None) -> None:
    state = all_kinds()
    save(state, f"file://{tmp_path}/ck", compression=compression)
    loaded = empty_like(state)
    dcp.load(loaded, storage_reader=StorageReader(f"file://{tmp_path}/ck"), no_dist=True)
    assert_equal(loaded, state)
