"""Which steps exist, which may go, and what a sweep removes."""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path

import pytest
from waiting import wait_until

from s3dlio_core import CheckpointError, InvalidArgumentError, Store, open_store
from s3dlio_core.checkpoint.lease import Lease
from s3dlio_core.checkpoint.steps import Steps, steps_to_delete
from s3dlio_core.errors import SomeFailedError


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


def test_a_step_half_deleted_does_not_exist(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (".metadata", "__0_0-x.distcp"):
        store.put(f"step-0000000003/{name}", b"m")
    delete = Store.delete
    deletions = []

    def killed_after_the_first(self: Store, keys: str | list[str]) -> None:
        delete(self, keys)
        deletions.append(keys)
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "delete", killed_after_the_first)
    with pytest.raises(KeyboardInterrupt):
        Steps(store).delete(3)
    assert Steps(store).whole() == []
    assert [meta.key for meta in store.list()] == ["step-0000000003/__0_0-x.distcp"]


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


def age(folder: Path, seconds: float) -> None:
    then = time.time() - seconds
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


def test_a_step_that_cannot_be_read_keeps_all_and_stops_no_other(store: Store, tmp_path: Path) -> None:
    for step in (3, 4, 5):
        store.put(f"step-{step:010d}/orphan.distcp", b"d")
        store.put(f"step-{step:010d}/.metadata", b"poisoned" if step == 4 else b"")
    age(tmp_path / "run", 3600)

    def listed_by(stored: bytes) -> set[str]:
        if stored:
            raise CheckpointError("this is no metadata")
        return set()

    with pytest.raises(SomeFailedError, match=r"step-0000000004/\.metadata: this is no metadata") as caught:
        Steps(store).sweep(1800, listed_by)
    assert [name for name, _ in caught.value.failures] == [store.uri_of("step-0000000004/")]
    assert [meta.key for meta in store.list() if meta.key.endswith(".distcp")] == ["step-0000000004/orphan.distcp"]


def test_a_save_that_shows_itself_is_left_alone(store: Store, tmp_path: Path) -> None:
    for step in (3, 4):
        store.put(f"step-{step:010d}/__0_0-x.distcp", b"d")
        store.put(f"step-{step:010d}/.s3dlio-saving-0123456789abcdef", b"")
    age(tmp_path / "run", 7200)
    store.put("step-0000000003/.s3dlio-saving-0123456789abcdef", b"")  # a minute ago at the most
    assert Steps(store).sweep(3600, lambda stored: set()) == 2
    assert [meta.key for meta in store.list()] == [
        "step-0000000003/.s3dlio-saving-0123456789abcdef",
        "step-0000000003/__0_0-x.distcp",
    ]


def test_ages_are_told_by_the_clock_of_the_store(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put("step-0000000003/__0_0-x.distcp", b"d")
    monkeypatch.setattr(time, "time", lambda: 4e9)
    assert Steps(store).sweep(60, lambda stored: set()) == 0
    assert [meta.key for meta in store.list()] == ["step-0000000003/__0_0-x.distcp"]


def test_a_lease_is_renewed_until_the_save_ends(store: Store) -> None:
    class Saver:
        pass

    saver = Saver()
    lease = Lease(store, "0123456789abcdef", saver, beat_seconds=0.01)
    wait_until(lambda: store.exists(".s3dlio-saving-0123456789abcdef"))
    store.delete(".s3dlio-saving-0123456789abcdef")
    wait_until(lambda: store.exists(".s3dlio-saving-0123456789abcdef"))
    lease.end()
    assert not store.exists(".s3dlio-saving-0123456789abcdef")
    forgotten = Lease(store, "fedcba9876543210", saver, beat_seconds=0.01)
    del saver
    gc.collect()
    forgotten._thread.join(30)
    assert not forgotten._thread.is_alive()
