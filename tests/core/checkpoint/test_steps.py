"""Which steps exist, which may go, and what a sweep removes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from s3dlio_core import InvalidArgumentError, Store, open_store
from s3dlio_core.checkpoint.steps import Steps, steps_to_delete


@pytest.mark.parametrize(
    ("steps", "keep_last", "keep_every", "expected"),
    [
        ([1, 2, 3], None, None, []),
        ([1, 2, 3], None, 2, []),
        ([3, 1, 2], 1, None, [1, 2]),
        ([1, 2, 3], 2, None, [1]),
        ([1, 2, 3], 5, None, []),
        ([0, 5, 10, 15, 20, 25], 1, 10, [5, 15]),
        ([], 1, None, []),
        ([7], 1, None, []),
        ([7], 0, None, []),
    ],
)
def test_what_may_go(steps: list[int], keep_last: int | None, keep_every: int | None, expected: list[int]) -> None:
    assert steps_to_delete(steps, keep_last, keep_every) == expected


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(f"file://{tmp_path}/run/")


def test_a_step_exists_when_its_metadata_does(store: Store) -> None:
    steps = Steps(store)
    assert (steps.begun(), steps.whole(), steps.latest()) == ([], [], None)
    store.put("step-0000000003/.metadata", b"m")
    store.put("step-0000000003/__0_0-x.distcp", b"d")
    store.put("step-0000000010/__0_0-x.distcp", b"d")
    store.put("step-0000000002/.metadata", b"m")
    store.put("other/.metadata", b"m")
    store.put("step-5/.metadata", b"m")  # nobody here wrote that
    assert (steps.begun(), steps.whole(), steps.latest()) == ([2, 3, 10], [2, 3], 3)


def test_delete_leaves_nothing(store: Store) -> None:
    for name in (".metadata", "__0_0-x.distcp", "a/b/__1_0-x.distcp"):
        store.put(f"step-0000000003/{name}", b"m")
    store.put("step-0000000030/.metadata", b"m")
    Steps(store).delete(3)
    assert [meta.key for meta in store.list()] == ["step-0000000030/.metadata"]


def test_negative_steps_are_refused(store: Store) -> None:
    with pytest.raises(InvalidArgumentError, match="-1"):
        Steps(store).uri(-1)


def test_sweep_removes_what_nothing_lists_and_is_old(store: Store, tmp_path: Path) -> None:
    folder = "step-0000000003/"
    for name in ("listed", "old", "young"):
        store.put(f"{folder}{name}.distcp", b"d")
    store.put(f"{folder}notes.txt", b"not ours")
    store.put(f"{folder}.metadata", b"listed.distcp")
    store.put("step-0000000004/begun.distcp", b"d")
    hour_ago = time.time() - 3600
    for path in (tmp_path / "run").rglob("*"):
        if path.name != "young.distcp" and path.is_file():
            os.utime(path, (hour_ago, hour_ago))
    steps = Steps(store)
    assert steps.sweep(7200, lambda stored: {stored.decode()}) == 0
    assert steps.sweep(1800, lambda stored: {stored.decode()}) == 2
    left = [meta.key.removeprefix(folder) for meta in store.list(folder)]
    assert left == [".metadata", "listed.distcp", "notes.txt", "young.distcp"]
    assert list(store.list("step-0000000004/")) == []
