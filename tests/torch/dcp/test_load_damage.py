"""A byte that changed anywhere in a stored object is noticed, and the tensor it belongs to is named."""

from __future__ import annotations

import io
import pickle
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint as dcp
from load_parts import assert_equal, blank, filled, load, load_slices, save
from servers.access import credentials_of
from servers.fault_server import FaultServer
from torch.distributed.checkpoint.filesystem import _StorageInfo
from torch.distributed.checkpoint.metadata import (
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    StorageMeta,
    TensorProperties,
    TensorStorageMetadata,
)

from s3dlio_core import CheckpointError, ChecksumMismatchError
from s3dlio_core.checkpoint.seal import seal
from s3dlio_torch.dcp.metadata import read_metadata
from s3dlio_torch.dcp.reader import StorageReader
from s3dlio_torch.dcp.writer import StorageWriter

STATE = {
    "large": filled((600, 500), torch.float32, 1),
    "small": filled((30, 7), torch.bfloat16, 2),
    "gone": torch.zeros(0, 3),
    "scalar": torch.tensor(4.0),
    "lr": 0.25,
    "middle": filled((300, 100), torch.float32, 3),
}
WRITERS = ["ours", "zstd", "zstd-planes", "stock"]


@pytest.fixture(params=WRITERS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    write(request.param, tmp_path)
    return tmp_path


def write(kind: str, folder: Path) -> None:
    compression = None if kind == "ours" else kind
    writer = (
        dcp.FileSystemWriter(folder) if kind == "stock" else StorageWriter(f"file://{folder}", compression=compression)
    )
    save(STATE, writer)


def items_of(folder: Path) -> Iterator[tuple[MetadataIndex, _StorageInfo]]:
    metadata = read_metadata((folder / ".metadata").read_bytes(), "")
    yield from metadata.storage_data.items()


def places(folder: Path) -> list[tuple[str, Path, int]]:
    """Bytes to flip: (name of the item, file, offset), some of each region of every item and of the gaps."""
    chosen: list[tuple[str, Path, int]] = []
    pick = random.Random(5)
    ends: dict[str, int] = {}
    for index, info in sorted(items_of(folder), key=lambda item: (item[1].relative_path, item[1].offset)):
        path, start, end = folder / info.relative_path, info.offset, info.offset + info.length
        told: dict[str, Any] = getattr(info, "s3dlio_index", {})
        front = start + (told.get("payload_offset") or 704)
        edges = [start, start + 3, front - 1, front, end - 22, end - 1]
        within = [pick.randrange(start, end) for _ in range(2)] + [pick.randrange(front, end) for _ in range(3)]
        chosen += [(index.fqn, path, place) for place in {*edges, *within} if start <= place < end]
        before = ends.get(info.relative_path, 0)
        if before < start:
            chosen += [(index.fqn, path, place) for place in (before, start - 1)]
        ends[info.relative_path] = end
    return chosen


def test_every_region_of_every_item_is_checked(folder: Path) -> None:
    reader = StorageReader(f"file://{folder}")
    for name, path, place in places(folder):
        data = bytearray(path.read_bytes())
        data[place] ^= 0x04
        path.write_bytes(data)
        with pytest.raises(ChecksumMismatchError, match=f"{re.escape(path.name)}: '{name}' is damaged"):
            load(blank(STATE), reader)
        data[place] ^= 0x04
        path.write_bytes(data)
    assert_equal(load(blank(STATE), reader), STATE)


def test_nothing_is_compared_when_told_so(tmp_path: Path) -> None:
    write("ours", tmp_path)
    info = next(info for index, info in items_of(tmp_path) if index.fqn == "large")
    path = tmp_path / info.relative_path
    data = bytearray(path.read_bytes())
    data[info.offset + 5000] ^= 1
    path.write_bytes(data)
    found = load(blank(STATE), StorageReader(f"file://{tmp_path}", verify=False))
    assert int((found["large"] != STATE["large"]).sum()) == 1


@pytest.mark.parametrize("kind", ["ours", "stock"])
def test_bytes_all_over_a_small_checkpoint(kind: str, tmp_path: Path) -> None:
    state = {"w": torch.arange(5), "lr": 0.5}
    save(state, dcp.FileSystemWriter(tmp_path) if kind == "stock" else StorageWriter(f"file://{tmp_path}"))
    path = next(tmp_path.glob("*.distcp"))
    data = bytearray(path.read_bytes())
    reader = StorageReader(f"file://{tmp_path}")
    for place in range(0, len(data), 11):
        data[place] ^= 0x20
        path.write_bytes(data)
        with pytest.raises(ChecksumMismatchError, match=r"'(w|lr)' is damaged"):
            load(blank(state), reader)
        data[place] ^= 0x20


def test_metadata_of_ours_is_checked_as_well(tmp_path: Path) -> None:
    write("ours", tmp_path)
    path = tmp_path / ".metadata"
    data = bytearray(path.read_bytes())
    for place in range(0, len(data), 97):
        data[place] ^= 0x08
        path.write_bytes(data)
        with pytest.raises((ChecksumMismatchError, CheckpointError), match=r"/\.metadata"):
            StorageReader(f"file://{tmp_path}").read_metadata()
        data[place] ^= 0x08


def test_a_slice_checks_the_blocks_it_reads_and_whole_checks_all(tmp_path: Path) -> None:
    write("ours", tmp_path)
    info = next(info for index, info in items_of(tmp_path) if index.fqn == "large")
    path, payload = tmp_path / info.relative_path, info.offset + info.s3dlio_index["payload_offset"]  # type: ignore[attr-defined]
    data = bytearray(path.read_bytes())
    data[payload + 500 * 2000 + 1] ^= 1  # in row 500
    path.write_bytes(data)
    load_slices(StorageReader(f"file://{tmp_path}"), {"large": ((0, 0), (100, 500))})
    with pytest.raises(ChecksumMismatchError, match=r"'large' is damaged: bytes \[\d+, \d+\) of its payload"):
        load_slices(StorageReader(f"file://{tmp_path}"), {"large": ((450, 0), (100, 500))})
    with pytest.raises(ChecksumMismatchError, match="'large' is damaged"):
        load_slices(StorageReader(f"file://{tmp_path}", verify="whole"), {"large": ((0, 0), (100, 500))})


@pytest.mark.parametrize("kind", ["ours", "stock"])
def test_what_arrived_damaged_once_is_read_again(fault_server: FaultServer, tmp_path: Path, kind: str) -> None:
    state = {"w": filled((700, 500), torch.float32, 8)}
    save(state, dcp.FileSystemWriter(tmp_path) if kind == "stock" else StorageWriter(f"file://{tmp_path}"))
    for path in tmp_path.iterdir():
        fault_server.put_object("data", f"run/{path.name}", path.read_bytes())
    key = next(f"run/{path.name}" for path in tmp_path.glob("*.distcp"))
    rule = fault_server.fault(
        "get",
        key=key,
        when=lambda request: request.range is not None and (request.range[1] or 0) - request.range[0] > 500_000,
        corrupt_at=400_000,
    )
    place = credentials_of(fault_server)
    reader = StorageReader("s3://data/run", endpoint_url=place.pop("endpoint_url"), options=place)
    assert_equal(load(blank(state), reader), state)
    assert rule.fired == 1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=["straight", "converted"])
def test_a_large_stock_payload_is_checked_in_pieces(tmp_path: Path, dtype: torch.dtype) -> None:
    """torch keeps one checksum for all of it, and it arrives in several pieces."""
    state = {"w": filled((5000, 2000), torch.bfloat16, 1)}  # 19 MiB
    save(state, dcp.FileSystemWriter(tmp_path))
    path = next(tmp_path.glob("*.distcp"))
    reader = StorageReader(f"file://{tmp_path}")
    target = {"w": torch.zeros(5000, 2000, dtype=dtype)}
    assert torch.equal(load(target, reader)["w"], state["w"].to(dtype))
    data = bytearray(path.read_bytes())
    for place in (800, 10_000_000, 18_000_000, 20_000_000):
        data[place] ^= 0x02
        path.write_bytes(data)
        with pytest.raises(ChecksumMismatchError, match=r"'w' is damaged: bytes \[0, 20000000\) of its payload"):
            load(target, reader)
        data[place] ^= 0x02


def sharded_by_torch(folder: Path) -> tuple[dict[str, torch.Tensor], bytes]:
    """What two ranks would have saved with torch's writer: the state, and the metadata."""
    state = {"w": filled((8, 6), torch.float32, 1), "b": filled((4,), torch.float32, 2)}
    parts = [("w", 0, state["w"][:4]), ("b", 0, state["b"]), ("w", 1, state["w"][4:])]
    infos, objects = {}, [b"", b""]
    for name, rank, part in parts:
        stream = io.BytesIO()
        torch.save(part.clone(), stream)
        offset = torch.Size([4 * rank, 0][: part.dim()])
        key = f"__{rank}_0.distcp"
        infos[MetadataIndex(name, offset, rank)] = _StorageInfo(key, len(objects[rank]), len(stream.getvalue()))
        objects[rank] += stream.getvalue()
    for rank, data in enumerate(objects):
        (folder / f"__{rank}_0.distcp").write_bytes(data)
    properties = TensorProperties(torch.float32)
    rows = [ChunkStorageMetadata(torch.Size([row, 0]), torch.Size([4, 6])) for row in (0, 4)]
    entries: dict[str, Any] = {
        "w": TensorStorageMetadata(properties, state["w"].size(), rows),
        "b": TensorStorageMetadata(
            properties, torch.Size([4]), [ChunkStorageMetadata(torch.Size([0]), torch.Size([4]))]
        ),
    }
    return state, pickle.dumps(Metadata(entries, {"w": ("w",), "b": ("b",)}, infos, StorageMeta(str(folder)), "1.0.0"))


def test_a_changed_metadata_of_torchs_fails_or_changes_nothing(tmp_path: Path) -> None:
    """It carries no checksum; its numbers must fit each other and what is stored."""
    state, metadata = sharded_by_torch(tmp_path)
    (tmp_path / ".metadata").write_bytes(metadata)
    assert_equal(load(blank(state), StorageReader(f"file://{tmp_path}")), state)
    failed = 0
    for place in range(0, len(metadata), 2):
        data = bytearray(metadata)
        data[place] ^= 1 << (place // 2) % 6
        (tmp_path / ".metadata").write_bytes(data)
        found = blank(state)
        try:
            load(found, StorageReader(f"file://{tmp_path}"))
        except Exception:
            failed += 1
        else:
            assert_equal(found, state, f"byte {place}")
    assert failed > len(metadata) // 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: setattr(m.state_dict_metadata["b"].chunks[0], "sizes", torch.Size([0])), "hold 0 elements"),
        (lambda m: m.state_dict_metadata["w"].chunks.pop(), "hold 24 elements; the tensor has 48"),
        (lambda m: setattr(m.state_dict_metadata["w"].chunks[1], "offsets", torch.Size([3, 0])), "overlap"),
        (lambda m: [setattr(i, "relative_path", "__0_0.distcp") for i in m.storage_data.values()], "same place"),
        (
            lambda m: [setattr(i, "offset", i.offset + 1) for i in m.storage_data.values()],
            "damaged|no tensor|cut short",
        ),
    ],
)
def test_metadata_whose_numbers_do_not_fit_is_refused(tmp_path: Path, change: Any, message: str) -> None:
    state, stored = sharded_by_torch(tmp_path)
    metadata = pickle.loads(stored)
    change(metadata)
    (tmp_path / ".metadata").write_bytes(pickle.dumps(metadata))
    with pytest.raises((CheckpointError, ChecksumMismatchError), match=message):
        load(blank(state), StorageReader(f"file://{tmp_path}"))


# ---- indexes that lie ----
@pytest.mark.parametrize(
    "change",
    [
        {"shape": (500, 600)},
        {"nbytes": 4},
        {"payload_offset": 1 << 40},
        {"payload_offset": -1},
        {"dtype": "load"},
        {"dtype": "float64"},
        {"crcs": b""},
        {"block_size": 1 << 50},
        {"block_size": 4097},
        {"codec": "lzma", "frame_size": 1 << 30, "frame_ends": bytes(8)},
        {"codec": "zstd", "frame_size": 1 << 20, "frame_ends": b"\xff" * 16},
        {"crcs": "text"},
        None,
        7,
    ],
    ids=str,
)
def test_an_index_that_lies_is_an_error_of_the_checkpoint(change: Any, tmp_path: Path) -> None:
    write("ours", tmp_path)
    metadata = read_metadata((tmp_path / ".metadata").read_bytes(), "")
    info = next(info for index, info in metadata.storage_data.items() if index.fqn == "large")
    if isinstance(change, dict):
        info.s3dlio_index.update(change)
    else:
        info.s3dlio_index = change
    (tmp_path / ".metadata").write_bytes(seal(pickle.dumps(metadata)))
    if change is None:  # no index: read as torch's
        assert_equal(load(blank(STATE), StorageReader(f"file://{tmp_path}")), STATE)
        return
    with pytest.raises((CheckpointError, ChecksumMismatchError), match="large"):
        load(blank(STATE), StorageReader(f"file://{tmp_path}"))
