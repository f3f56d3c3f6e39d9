"""Every loader option acts, or is refused by name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from s3dlio_core import Tuning
from s3dlio_core.loader import LoaderOptions

DOCUMENTED = {
    "batch_size", "drop_last", "shuffle", "seed", "num_workers", "prefetch", "auto_tune", "reader_mode", "part_size",
    "max_inflight_parts", "shard_rank", "shard_world_size", "worker_id", "num_workers_pytorch", "window_bytes",
    "window_requests", "in_order", "wrap",
}  # fmt: skip


def test_the_documented_options_are_the_options() -> None:
    assert set(LoaderOptions.names()) == DOCUMENTED
    assert all(f"        {name}: " in (LoaderOptions.__doc__ or "") for name in DOCUMENTED)


@pytest.mark.parametrize("name", sorted(DOCUMENTED))
def test_wrong_types_are_refused_by_name(name: str) -> None:
    for value in ([], 1.5):
        with pytest.raises(TypeError, match=rf"^{name} is .*; expected (an integer|True or False|a str)$"):
            LoaderOptions.of({name: value})


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"batch_size": 0}, "batch_size is 0; expected at least 1"),
        ({"window_bytes": 0}, "window_bytes is 0; expected at least 1"),
        ({"num_workers": -1}, "num_workers is -1; expected 0 or more"),
        ({"prefetch": -2}, "prefetch is -2; expected 0 or more"),
        ({"part_size": 0}, "part_size is 0"),
        ({"reader_mode": "random"}, "reader_mode is 'random'; expected 'sequential' or 'range'"),
        ({"reader_mode": "sequential", "part_size": 1}, "do nothing with reader_mode='sequential'"),
        ({"reader_mode": "sequential", "max_inflight_parts": 1}, "do nothing with reader_mode='sequential'"),
        ({"auto_tune": True, "prefetch": 2}, "auto_tune finds the number of requests"),
        ({"drop_last": True, "wrap": True}, "two ways to make ranks even"),
        ({"shard_rank": 1}, "shard_rank and shard_world_size belong together"),
        ({"shard_rank": 2, "shard_world_size": 2}, "shard_rank is 2; expected less than shard_world_size"),
        ({"worker_id": 1}, "worker_id and num_workers_pytorch belong together"),
    ],
)
def test_values_that_make_no_sense_are_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        LoaderOptions.of(options)


def test_unknown_names_are_refused_with_the_valid_ones() -> None:
    with pytest.raises(TypeError, match=r"unknown loader options: pin, size; valid ones are .*batch_size"):
        LoaderOptions.of({"size": 1, "pin": 2})
    with pytest.raises(TypeError, match="loader options are a list"):
        LoaderOptions.of([])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "requests"),
    [
        ({}, 64),
        ({"window_requests": 200}, 200),
        ({"num_workers": 5}, 5),
        ({"prefetch": 2, "batch_size": 8}, 16),
        ({"prefetch": 4}, 4),
        ({"num_workers": 3, "prefetch": 2, "batch_size": 8, "window_requests": 12}, 3),
        ({"auto_tune": True}, 48),
    ],
)
def test_how_many_samples_are_asked_for_at_once(options: dict[str, Any], requests: int) -> None:
    assert LoaderOptions.of(options).requests(48) == requests


def test_what_reader_mode_and_parts_do_to_a_store() -> None:
    given = Tuning(part_size=3 << 20)
    assert LoaderOptions.of({}).tuned(given) == given
    assert LoaderOptions.of({"reader_mode": "sequential"}).tuned(given).part_size > 1 << 39
    ranged = LoaderOptions.of({"reader_mode": "range", "part_size": 1 << 20, "max_inflight_parts": 4}).tuned(given)
    assert (ranged.part_size, ranged.max_in_flight_bytes) == (1 << 20, 4 << 20)


def test_the_page_lists_every_option() -> None:
    page = (Path(__file__).parents[3] / "docs" / "datasets.md").read_text()
    table = page.partition("## Options")[2].partition("| argument |")[0]
    named = {name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert named == DOCUMENTED
