"""Tensors that share memory: no byte has two writers, none is stored twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch as reference
import torch

from s3dlio_core import stats
from s3dlio_core.errors import CheckpointError
from s3dlio_torch._overlap import identity_of, overlapping_names, span_of
from s3dlio_torch.safetensors import (
    LoadReport,
    SharedTensorsError,
    load_into,
    load_model,
    load_sharded,
    save_sharded,
)

ROWS = 4096  # of 4 KiB: large enough for several blocks on their way at once


class Tied(torch.nn.Module):
    """embed.weight and head.weight are one."""

    def __init__(self, rows: int = ROWS) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(rows, 1024)
        self.head = torch.nn.Linear(1024, rows, bias=False)
        self.head.weight = self.embed.weight


@pytest.fixture(params=["file", "direct"])
def at(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Gives the URI of a name in the test's folder."""
    return lambda name: f"{request.param}://{tmp_path}/{name}"


def test_what_overlaps_is_found_by_storage_place_and_extent() -> None:
    flat = torch.zeros(100)
    tensors = {
        "a": flat[0:10], "b": flat[10:20], "c": flat[15:25], "d": flat[24:30], "whole": torch.zeros(3),
        "columns": flat[40:80].view(4, 10)[:, :5], "between": flat[47:49], "empty": flat[0:0],
        "meta": torch.zeros(5, device="meta"), "other": torch.zeros(100)[0:10],
    }  # fmt: skip
    assert overlapping_names(tensors) == [["b", "c", "d"], ["columns", "between"]]
    assert span_of(tensors["empty"]) is None
    assert span_of(tensors["meta"]) is None
    assert identity_of(flat[0:10]) == identity_of(flat[0:10])
    assert identity_of(flat[0:10]) != identity_of(flat[0:10].view(torch.int32))
    assert identity_of(flat[0:10]) != identity_of(flat[0:10].view(2, 5))
    assert identity_of(flat[0:0]) != identity_of(flat[0:0])


def test_names_of_one_memory_with_the_same_contents_are_read_once_and_compared(
    at: Callable[[str], str], tmp_path: Path
) -> None:
    weight = torch.randn(ROWS, 1024)
    reference.save_file({"embed.weight": weight, "head.weight": weight.clone()}, tmp_path / "model.safetensors")
    model = Tied()
    assert load_model(model, at("model.safetensors")) == LoadReport([], [])
    assert torch.equal(model.embed.weight, weight)
    before = stats()["bytes_received"]
    assert load_model(model, at("model.safetensors"), strict=False) == LoadReport([], [])
    assert stats()["bytes_received"] - before < weight.nbytes * 3 // 2
    assert torch.equal(model.embed.weight, weight)


def test_different_contents_for_one_memory_are_refused_or_the_last_counts(
    at: Callable[[str], str], tmp_path: Path
) -> None:
    first, last = torch.full((ROWS, 1024), 1.0), torch.full((ROWS, 1024), 2.0)
    # The order they are stored in does not count, the target's does.
    reference.save_file({"head.weight": last, "embed.weight": first}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r'"embed\.weight" and "head\.weight" share memory.*different contents'):
        load_model(Tied(), at("model.safetensors"))
    theirs = Tied()
    theirs.load_state_dict({"embed.weight": first, "head.weight": last}, strict=False)
    for _ in range(5):
        model = Tied()
        load_model(model, at("model.safetensors"), strict=False)
        assert torch.equal(model.head.weight, theirs.head.weight)
    target = {"head.weight": torch.zeros(ROWS, 1024)}
    target["embed.weight"] = target["head.weight"]
    load_into(at("model.safetensors"), target, strict=False)
    assert torch.equal(target["head.weight"], first)


def test_one_element_that_differs_is_told_also_where_types_are_converted(
    at: Callable[[str], str], tmp_path: Path
) -> None:
    weight = torch.randn(ROWS, 1024)
    other = weight.clone()
    other[-1, -1] += 1
    stored = {"embed.weight": weight.bfloat16(), "head.weight": other.bfloat16()}
    reference.save_file(stored, tmp_path / "differs.safetensors")
    reference.save_file({**stored, "head.weight": weight.bfloat16()}, tmp_path / "same.safetensors")
    with pytest.raises(CheckpointError, match="different contents"):
        load_model(Tied(), at("differs.safetensors"))
    model = Tied()
    load_model(model, at("same.safetensors"))
    assert torch.equal(model.embed.weight, weight.bfloat16().float())


def test_views_that_overlap_partly_are_filled_one_after_the_other(at: Callable[[str], str], tmp_path: Path) -> None:
    whole = torch.randn(3 * ROWS, 256)
    parts = dict(zip(("q", "k", "v"), whole.clone().split(ROWS), strict=True))
    parts = {name: part.clone() for name, part in parts.items()}
    reference.save_file({"qkv": whole, **parts}, tmp_path / "agree.safetensors")
    reference.save_file({"qkv": whole, **parts, "k": parts["q"].clone()}, tmp_path / "differ.safetensors")
    memory = torch.zeros(3 * ROWS, 256)
    target = {"qkv": memory, **dict(zip(("q", "k", "v"), memory.split(ROWS), strict=True))}
    load_into(at("agree.safetensors"), target)
    assert torch.equal(memory, whole)
    with pytest.raises(CheckpointError, match=r'"qkv" and "v" share memory'):
        load_into(at("differ.safetensors"), target)
    load_into(at("differ.safetensors"), target, strict=False)
    assert torch.equal(memory, torch.cat([parts["q"], parts["q"], parts["v"]]))


def test_an_expanded_tensor_is_refused_before_anything_is_read(at: Callable[[str], str], tmp_path: Path) -> None:
    reference.save_file({"a": torch.ones(4, 4), "b": torch.ones(2)}, tmp_path / "model.safetensors")
    target = {"a": torch.zeros(4).expand(4, 4), "b": torch.zeros(2)}
    with pytest.raises(CheckpointError, match='"a" is expanded in the target'):
        load_into(at("model.safetensors"), target)
    assert not target["b"].any()


def test_a_sharded_save_stores_tied_weights_once(at: Callable[[str], str], tmp_path: Path) -> None:
    model = Tied(rows=64)
    written = save_sharded(model.state_dict(), at("model/"), max_shard_bytes=1000)
    assert written == ["model.safetensors"]
    assert list(load_sharded(at("model/"))) == ["embed.weight"]
    with reference.safe_open(tmp_path / "model" / "model.safetensors", framework="pt") as stored:
        assert stored.metadata() == {"format": "pt", "head.weight": "embed.weight"}
    loaded, theirs = Tied(rows=64), Tied(rows=64)
    assert load_into(at("model/"), loaded) == LoadReport([], [])
    reference.load_model(theirs, tmp_path / "model" / "model.safetensors")
    assert torch.equal(loaded.head.weight, model.head.weight)
    assert torch.equal(theirs.head.weight, model.head.weight)
    tensors = {**model.state_dict(), "more": torch.zeros(64, 1024), "part": model.embed.weight.detach()[3:5]}
    with pytest.raises(SharedTensorsError, match=r"embed\.weight, part"):
        save_sharded(tensors, at("other/"))
    del tensors["part"]
    assert len(save_sharded(tensors, at("other/"), max_shard_bytes=64 * 4096)) == 3
    index = json.loads((tmp_path / "other" / "model.safetensors.index.json").read_text())
    assert sorted(index["weight_map"]) == ["embed.weight", "more"]
