"""Slices: only their bytes are asked for, they arrive where they belong, whatever the destination looks like."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint as dcp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from load_parts import Slice, cut_out, filled, load, load_slices, save
from servers.access import QUICK, credentials_of
from servers.fault_server import FaultServer
from torch.distributed.checkpoint.planner import ReadItem

from s3dlio_core import Tuning, stats
from s3dlio_torch.dcp.reader import StorageReader
from s3dlio_torch.dcp.writer import StorageWriter

RANKS = 8


def reader_on(server: FaultServer, **options: Any) -> StorageReader:
    place = credentials_of(server)
    return StorageReader(
        "s3://data/run", endpoint_url=place.pop("endpoint_url"), region=place.pop("region"), options=place, **options
    )


def upload(server: FaultServer, folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            server.put_object("data", f"run/{path.relative_to(folder)}", path.read_bytes())


def eighths(state: dict[str, torch.Tensor], rank: int) -> dict[str, Slice]:
    wanted: dict[str, Slice] = {}
    for name, tensor in state.items():
        rows = tensor.shape[0] // RANKS
        wanted[name] = ((rows * rank, *(0 for _ in tensor.shape[1:])), (rows, *tensor.shape[1:]))
    return wanted


MODEL = {
    "embedding": filled((8000, 256), torch.bfloat16, 1),
    "w1": filled((1024, 1024), torch.float32, 2),
    "w2": filled((2048, 520), torch.bfloat16, 3),
    "odd": filled((808, 333), torch.float32, 4),
    "bias": filled((1024,), torch.float32, 5),
}


@pytest.mark.parametrize("writer", ["ours", "zstd", "stock"])
def test_eight_ranks_read_little_more_than_they_need(
    fault_server: FaultServer, tmp_path: Path, counted: None, writer: str
) -> None:
    chosen = dcp.FileSystemWriter(tmp_path) if writer == "stock" else StorageWriter(
        f"file://{tmp_path}", compression="zstd" if writer == "zstd" else None
    )  # fmt: skip
    save(MODEL, chosen)
    upload(fault_server, tmp_path)
    needed = stored = 0
    for path in tmp_path.glob("*.distcp"):
        stored += path.stat().st_size
    for rank in range(RANKS):
        wanted = eighths(MODEL, rank)
        before = stats()
        planner = load_slices(reader_on(fault_server), wanted)
        after = stats()
        for name, where in wanted.items():
            assert torch.equal(planner.found[name], cut_out(MODEL[name], where)), (rank, name)
        metadata = len(fault_server.stored("data", "run/.metadata") or b"")
        received = sum(after[name] - before[name] for name in ("bytes_received", "bytes_discarded")) - metadata
        mine = sum(tensor.nbytes for tensor in planner.found.values())
        needed += mine
        if writer != "zstd":  # frames of 1 MiB are larger than some slices here
            assert received <= 1.05 * mine + 8192 * len(MODEL), rank
    assert needed == sum(tensor.nbytes for tensor in MODEL.values())
    # Over all ranks: what the server sent, heads of answers not counted.
    sent = fault_server.bytes_sent
    assert sent < {"ours": 1.08, "stock": 1.08, "zstd": 8.0}[writer] * stored + 8 * 100_000


def test_a_large_tensors_slices_cost_five_percent_at_most(
    fault_server: FaultServer, tmp_path: Path, counted: None
) -> None:
    """Where tensors are large, the ends of items and half blocks are nothing."""
    state = {f"w{number}": filled((4096, 1024), torch.bfloat16, number) for number in range(3)}
    save(state, StorageWriter(f"file://{tmp_path}"))
    upload(fault_server, tmp_path)
    metadata = len(fault_server.stored("data", "run/.metadata") or b"")
    for rank in (0, 3, 7):
        before = stats()
        planner = load_slices(reader_on(fault_server), eighths(state, rank))
        after = stats()
        received = sum(after[name] - before[name] for name in ("bytes_received", "bytes_discarded")) - metadata
        mine = sum(tensor.nbytes for tensor in planner.found.values())
        assert mine <= received <= 1.05 * mine, rank


@pytest.mark.parametrize("verify", [True, False])
def test_long_rows_apart_are_read_alone_and_short_ones_together(
    fault_server: FaultServer, tmp_path: Path, counted: None, verify: bool
) -> None:
    state = {"wide": filled((16, 1 << 18), torch.float32, 1), "narrow": filled((4096, 256), torch.float32, 2)}
    save(state, StorageWriter(f"file://{tmp_path}"))
    upload(fault_server, tmp_path)
    metadata = len(fault_server.stored("data", "run/.metadata") or b"")
    wide: dict[str, Slice] = {"wide": ((0, 1 << 15), (16, 1 << 15))}
    before = stats()
    assert torch.equal(load_slices(reader_on(fault_server, verify=verify), wide).found["wide"],
                       cut_out(state["wide"], wide["wide"]))  # fmt: skip
    after = stats()
    received = sum(after[name] - before[name] for name in ("bytes_received", "bytes_discarded")) - metadata
    assert received <= 1.05 * (2 << 20)  # 128 KiB of each row of 1 MiB
    narrow: dict[str, Slice] = {"narrow": ((0, 32), (4096, 32))}
    before = stats()
    assert torch.equal(load_slices(reader_on(fault_server, verify=verify), narrow).found["narrow"],
                       cut_out(state["narrow"], narrow["narrow"]))  # fmt: skip
    assert stats()["requests"] - before["requests"] < 10  # rather than one a row of 128 bytes


# ---- destinations ----
@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("slices")
    save({"x": SOURCE, "y": LARGE}, StorageWriter(f"file://{folder}"))
    return f"file://{folder}"


SOURCE = filled((300, 40, 30), torch.float32, 9)
LARGE = filled((700, 3000), torch.bfloat16, 10)


@given(st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_slice_into_any_destination(checkpoint: str, data: st.DataObject) -> None:
    name, source = data.draw(st.sampled_from([("x", SOURCE), ("y", LARGE)]))
    offsets = [data.draw(st.integers(0, extent - 1)) for extent in source.shape]
    lengths = [data.draw(st.integers(1, e - o)) for e, o in zip(source.shape, offsets, strict=True)]
    dtype = data.draw(st.sampled_from([source.dtype, torch.float64, torch.float16]))
    kind = data.draw(st.sampled_from(["plain", "transposed", "wide", "expanded last"]))
    target = destination(kind, lengths, dtype)
    verify = data.draw(st.sampled_from([True, False, "whole"]))
    planner = load_slices(StorageReader(checkpoint, verify=verify), {name: (offsets, lengths)}, {name: target})
    assert torch.equal(planner.found[name], cut_out(source, (offsets, lengths)).to(dtype))
    assert planner.committed == [name]


def destination(kind: str, lengths: list[int], dtype: torch.dtype) -> torch.Tensor:
    if kind == "plain":
        return torch.zeros(lengths, dtype=dtype)
    if kind == "transposed":
        return torch.zeros(lengths[::-1], dtype=dtype).permute(*reversed(range(len(lengths))))
    memory = torch.zeros([length + 3 for length in lengths], dtype=dtype)
    if kind == "wide":
        return memory[tuple(slice(2, 2 + length) for length in lengths)]
    return memory[..., : lengths[-1]][tuple(slice(0, length) for length in lengths)]


def test_what_lies_around_a_destination_stays(checkpoint: str) -> None:
    memory = torch.full((710, 3010), 7.0, dtype=torch.bfloat16)
    target = memory[5:705, 4:3004]
    load_slices(StorageReader(checkpoint), {"y": ((0, 0), (700, 3000))}, {"y": target})
    assert torch.equal(target, LARGE)
    target.fill_(7.0)
    assert bool((memory == 7.0).all())


def test_autograd_is_told_that_a_tensor_changed(checkpoint: str) -> None:
    target = torch.zeros(700, 3000, dtype=torch.bfloat16)
    weight = torch.ones(700, 3000, dtype=torch.bfloat16, requires_grad=True)
    product = weight * target
    load_slices(StorageReader(checkpoint), {"y": ((0, 0), (700, 3000))}, {"y": target})
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        product.sum().backward()


def test_a_parameter_that_requires_grad_is_filled_in_place(checkpoint: str) -> None:
    parameter = torch.nn.Parameter(torch.zeros(700, 3000, dtype=torch.bfloat16))
    where = parameter.data_ptr()
    load_slices(StorageReader(checkpoint), {"y": ((0, 0), (700, 3000))}, {"y": parameter})
    assert parameter.data_ptr() == where
    assert parameter.requires_grad
    assert torch.equal(parameter, LARGE)


def test_a_planner_may_hand_out_a_tensor_of_its_own_and_take_it_at_commit(checkpoint: str) -> None:
    class Elsewhere(dcp.DefaultLoadPlanner):
        def resolve_tensor(self, read_item: ReadItem) -> torch.Tensor:
            return torch.empty(tuple(read_item.lengths), dtype=torch.float64)

        def commit_tensor(self, read_item: ReadItem, tensor: torch.Tensor) -> None:
            got[read_item.dest_index.fqn] = tensor

        def load_bytes(self, read_item: ReadItem, value: io.BytesIO) -> None:
            raise AssertionError

    got: dict[str, torch.Tensor] = {}
    load({"x": torch.zeros_like(SOURCE)}, StorageReader(checkpoint), planner=Elsewhere())
    assert torch.equal(got["x"], SOURCE.double())


def test_an_own_tuning_keeps_its_other_fields() -> None:
    reader = StorageReader("s3://bucket/x", tuning=Tuning(**QUICK, part_size=1 << 20), region="eu-north-1")
    store = reader._opened()
    assert store.tuning.part_size == 1 << 20
    assert store.tuning.coalesce_gap == 16 << 10
