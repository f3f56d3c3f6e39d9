"""Four ranks save together, in the layouts models are trained in; other numbers of ranks load it."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import four_ranks as steps
from checkpoints.ranks import whole_state
from checkpoints.states import assert_equal as assert_same_bits
from checkpoints.states import load_by_torch
from load_parts import assert_equal, blank, load
from rank_processes import outcomes_of, run_ranks

from s3dlio_torch.dcp import StorageReader

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled")


def tensor_bytes(state: Any) -> int:
    if isinstance(state, dict):
        return sum(map(tensor_bytes, state.values()))
    return state.nbytes if isinstance(state, torch.Tensor) else 0


def test_fsdp_in_replicas_is_written_once_and_loads_on_any_number_of_ranks(tmp_path: Path) -> None:
    folder = tmp_path / "ck"
    uri = f"file://{folder}"
    saved, *loaded = run_ranks(
        tmp_path, (4, steps.saves_hybrid, uri), (4, steps.loads_fsdp, uri), (2, steps.loads_fsdp, uri)
    )
    for rank, other in enumerate(saved):
        assert_equal(other, saved[0], f"rank {rank}")
    for found in (*loaded[0], *loaded[1], load(blank(saved[0]), StorageReader(uri))):
        assert_equal(found, saved[0])
    objects = list(folder.glob("*.distcp"))
    assert {path.name[:4] for path in objects} == {f"__{rank}_" for rank in range(4)}
    needed = tensor_bytes(saved[0])
    assert needed < sum(path.stat().st_size for path in objects) < 1.1 * needed


def test_tensor_parallel_with_fsdp(tmp_path: Path) -> None:
    folder = tmp_path / "ck"
    uri = f"file://{folder}"
    expected = {"model": steps.Block().state_dict(), **steps.TILED}
    _, *loaded = run_ranks(
        tmp_path,
        (4, steps.saves_tensor_parallel, uri),
        (2, steps.loads_tensor_parallel, uri, 1, 2),
        (2, steps.loads_tensor_parallel, uri, 2, 1),
        (4, steps.loads_tensor_parallel, uri, 1, 4),
    )
    for found in (found for ranks in loaded for found in ranks):
        assert_equal(found, expected)
    assert_equal(load_by_torch(str(folder), expected), expected)


def test_replicas_and_uneven_shards(tmp_path: Path) -> None:
    """A job that goes on with fewer ranks computes what the first one would have; some ranks hold no rows."""
    folder, few, stock = tmp_path / "ck", tmp_path / "few", tmp_path / "stock"
    places = (f"file://{folder}", f"file://{few}", str(stock))
    saved, two, four = run_ranks(
        tmp_path, (4, steps.saves_ddp, *places), (2, steps.loads_ddp, *places), (4, steps.loads_ddp, *places)
    )
    few_rows = {"few rows": steps.UNEVEN["few rows"]}
    expected = {**saved[0], "few": few_rows}
    expected |= dict.fromkeys(("uneven", "turned", "stock", "stock, turned"), steps.UNEVEN)
    for found in (*two, *four):
        assert_equal(found, expected)
    alone = {**saved[0]["saved"], "uneven": steps.UNEVEN}
    assert_equal(load(blank(alone), StorageReader(places[0])), alone)
    assert_equal(load_by_torch(str(folder), alone), alone)
    assert_equal(load_by_torch(str(few), few_rows), few_rows)
    assert len(list(few.glob("*.distcp"))) == 3  # torch plans two rows and a chunk of none; the fourth has nothing


def test_a_rank_that_dies_fails_the_save_of_all(tmp_path: Path) -> None:
    """Whichever it is, and the next save finds nothing amiss. The earlier checkpoint stays whole, or the new one is."""
    deaths = [("object-half-written", 3), ("before-commit", 0), ("after-commit", 0)]
    uris = [f"file://{tmp_path}/{point}" for point, _ in deaths]
    _, *dying, found = outcomes_of(
        tmp_path,
        (4, steps.saves_to_each, uris, 1),
        *((4, steps.saves_until_one_dies, uri, 2, *death) for uri, death in zip(uris, deaths, strict=True)),
        (4, steps.loads_and_saves_again, uris, 3),
    )
    for (point, victim), ranks in zip(deaths, dying, strict=True):
        assert ranks[victim].killed_by == signal.SIGKILL, point
        survivors = [outcome for rank, outcome in enumerate(ranks) if rank != victim]
        assert all("Error" in outcome.error for outcome in survivors), survivors
    for rank in found:
        assert not rank.error
        for (point, _), (before, after) in zip(deaths, rank.result, strict=True):
            assert_same_bits(before, whole_state(2 if point == "after-commit" else 1))
            assert_same_bits(after, whole_state(3))
