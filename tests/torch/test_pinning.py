"""Pinned memory where there is none to be had: a worker that was forked from a process that uses an accelerator."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from s3dlio_core import open_store
from s3dlio_torch import S3MapDataset, _memory
from s3dlio_torch.dcp.staging import StagingRing
from s3dlio_torch.rows import slab

INITIALIZATION = "CUDA error: initialization error\nCUDA kernel errors might be asynchronously reported"


@pytest.fixture
def forked_from_an_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    """What torch does there: there is an accelerator, and every question about pinned memory is an error."""
    real_empty = torch.empty

    def empty(*arguments: Any, **options: Any) -> torch.Tensor:
        if options.get("pin_memory"):
            raise RuntimeError(INITIALIZATION)
        return real_empty(*arguments, **options)

    def is_pinned(tensor: torch.Tensor, *arguments: Any) -> bool:
        raise RuntimeError(INITIALIZATION)

    monkeypatch.setattr(_memory, "_warned", False)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch, "empty", empty)
    monkeypatch.setattr(torch.Tensor, "is_pinned", is_pinned)


@pytest.mark.usefixtures("forked_from_an_accelerator")
def test_a_tensor_is_a_destination_and_a_source_there(tmp_path: Path) -> None:
    """torch's own __dlpack_device__ asks whether it is pinned."""
    with open_store(f"file://{tmp_path}/") as store:
        store.put("a", torch.arange(100, dtype=torch.uint8))
        out = torch.zeros(100, dtype=torch.uint8)
        assert store.get_into("a", out) == 100
        assert torch.equal(out, torch.arange(100, dtype=torch.uint8))


@pytest.mark.usefixtures("forked_from_an_accelerator")
def test_a_data_set_that_pins_reads_into_ordinary_memory_and_says_so_once(tmp_path: Path) -> None:
    with open_store(f"file://{tmp_path}/") as store:
        for index in range(4):
            store.put(f"{index}", bytes([index] * 10))
    dataset = S3MapDataset(f"file://{tmp_path}/", pin_memory=True)
    with pytest.warns(RuntimeWarning, match="no pinned memory in this process.*initialization error") as told:
        batch = dataset.__getitems__([0, 3])
    assert [bytes(sample.numpy()) for sample in batch] == [bytes(10), bytes([3] * 10)]
    assert len(told) == 1
    assert "asynchronously" not in str(told[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(dataset.__getitems__([1, 2])) == 2
        assert len(slab(10, pin_memory=True)) == 10
        assert len(StagingRing(1, 100, threading.Event()).take()) == 100
