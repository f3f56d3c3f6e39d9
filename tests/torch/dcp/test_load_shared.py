"""A state dict with two names for one tensor: each is verified as it is stored, and the last name counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint as dcp
from load_parts import load, save

from s3dlio_core import Tuning
from s3dlio_core.checkpoint.read.turns import Span, Turns
from s3dlio_torch.dcp import StorageReader, StorageWriter

SHAPE = (4096, 1024)  # 16 MiB: several pieces on their way at once


def reader(folder: Path, **options: Any) -> StorageReader:
    return StorageReader(f"file://{folder}", tuning=Tuning(max_connections=16), **options)


@pytest.mark.parametrize("verify", [True, False, "whole"])
@pytest.mark.parametrize("writer", ["ours", "zstd", "stock"])
def test_two_names_for_one_tensor(tmp_path: Path, writer: str, verify: bool | str) -> None:
    torch.manual_seed(1)
    stored = {"a": torch.randn(SHAPE), "b": torch.randn(SHAPE), "between": torch.randn(64, 64)}
    compression = {"compression": "zstd"} if writer == "zstd" else {}
    chosen = dcp.FileSystemWriter(tmp_path) if writer == "stock" else StorageWriter(f"file://{tmp_path}", **compression)
    save(stored, chosen)
    one = torch.zeros(SHAPE)
    for names in (("a", "b"), ("b", "a")):
        target = {names[0]: one, "between": torch.zeros(64, 64), names[1]: one}
        theirs = {names[0]: torch.zeros(SHAPE), "between": torch.zeros(64, 64)}
        theirs[names[1]] = theirs[names[0]]
        load(target, reader(tmp_path, verify=verify))
        assert torch.equal(one, stored["b"])  # torch plans a state dict by name
        assert torch.equal(target["between"], stored["between"])
        if writer == "stock":
            load(theirs, dcp.FileSystemReader(tmp_path))
            assert torch.equal(theirs["a"], one)


def test_views_that_overlap_partly_count_in_the_plans_order(tmp_path: Path) -> None:
    stored = {"k": torch.full((1024, 1024), 2.0), "qkv": torch.full((3072, 1024), 1.0)}
    save(stored, dcp.FileSystemWriter(tmp_path, thread_count=2))
    first = reader(tmp_path).read_metadata().storage_data
    places = {index.fqn: info.relative_path for index, info in first.items()}
    assert places["qkv"] < places["k"]  # stored in the other order
    memory = torch.zeros(3072, 1024)
    for _ in range(3):
        load({"qkv": memory, "k": memory[1024:2048]}, reader(tmp_path))
        assert memory.unique().tolist() == [1.0]  # by name: qkv comes last


def test_turns_are_given_in_order_and_only_where_memory_overlaps() -> None:
    cpu = (torch.device("cpu"), 1)
    other = (torch.device("cpu"), 2)
    turns: Turns[str] = Turns()
    assert turns.admit("a1", "a", Span(cpu, 0, 10))
    assert turns.admit("a2", "a", Span(cpu, 5, 15))  # the same owner
    assert turns.admit("no memory", "x", None)
    assert turns.admit("elsewhere", "c", Span(other, 0, 10))
    assert turns.admit("beside", "d", Span(cpu, 15, 20))
    assert not turns.admit("b", "b", Span(cpu, 9, 12))
    assert not turns.admit("later", "e", Span(cpu, 30, 40))  # keeps its place behind b
    assert turns.ended("a", Span(cpu, 0, 10)) == []
    assert turns.ended("x", None) == []
    assert turns.ended("d", Span(cpu, 15, 20)) == []
    assert turns.ended("a", Span(cpu, 5, 15)) == ["b", "later"]
    assert turns.ended("b", Span(cpu, 9, 12)) == []
    assert turns.admit("f", "f", Span(cpu, 0, 30))
    assert turns.ended("e", Span(cpu, 30, 40)) == []
    assert turns.ended("f", Span(cpu, 0, 30)) == []
    assert turns.ended("c", Span(other, 0, 10)) == []
