"""The conditional write that makes a checkpoint exist: one of two wins, and a lost answer deceives nobody."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from servers.fault_server import FaultServer

from s3dlio_core import (
    AccessDeniedError,
    CheckpointError,
    LocalIOError,
    NoSpaceError,
    ServerError,
    StorageError,
    Store,
    UnsupportedOperationError,
    open_store,
)
from s3dlio_core.checkpoint.commit import Commit, is_in_doubt, remove_objects


@pytest.fixture(params=["file", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, store_on) -> Store:
    if request.param == "file":
        return open_store(f"file://{tmp_path}/ck")
    return store_on(request.getfixturevalue("fault_server"), prefix="ck/")


def test_new_and_replaced(store: Store) -> None:
    first = Commit(store, ".metadata")
    assert first.previous is None
    first.publish(b"one")
    second = Commit(store, ".metadata")
    assert second.previous == b"one"
    second.publish(b"two")
    assert bytes(store.get(".metadata")) == b"two"


@pytest.mark.parametrize("before", [None, b"zero"])
def test_the_second_of_two_loses(store: Store, before: bytes | None) -> None:
    if before is not None:
        store.put(".metadata", before)
    winner, loser = Commit(store, ".metadata"), Commit(store, ".metadata")
    winner.publish(b"winner")
    with pytest.raises(CheckpointError, match="somebody else"):
        loser.publish(b"loser")
    assert loser.refused
    assert bytes(store.get(".metadata")) == b"winner"


def test_without_a_condition_the_last_wins(store: Store) -> None:
    first, second = (Commit(store, ".metadata", conditional=False) for _ in range(2))
    first.publish(b"first")
    second.publish(b"second")
    assert bytes(store.get(".metadata")) == b"second"


@pytest.mark.parametrize("before", [None, b"zero"])
def test_a_lost_answer_is_no_lost_race(fault_server: FaultServer, store_on, before: bytes | None) -> None:
    store = store_on(fault_server)
    if before is not None:
        store.put(".metadata", before)
    commit = Commit(store, ".metadata")
    rule = fault_server.fault("put", lose_answer=True, end="rst")
    commit.publish(b"mine")
    assert rule.fired == 1
    assert bytes(store.get(".metadata")) == b"mine"


def test_done_though_every_answer_was_lost(fault_server: FaultServer, store_on) -> None:
    store = store_on(fault_server, tuning={"max_attempts": 2})
    commit = Commit(store, ".metadata", conditional=False)
    fault_server.fault("put", lose_answer=True, end="rst", times=None)
    commit.publish(b"mine")
    assert bytes(store.get(".metadata")) == b"mine"


def test_not_done_and_nobody_knows(fault_server: FaultServer, store_on) -> None:
    store = store_on(fault_server, tuning={"max_attempts": 2})
    commit = Commit(store, ".metadata")
    fault_server.fault("put", status=500, code="InternalError", times=None)
    with pytest.raises(ServerError):
        commit.publish(b"mine")
    assert not commit.refused


class NotDurable:
    """A folder whose sync fails after the rename."""

    def __init__(self, store: Store, error: type[StorageError]) -> None:
        self._store = store
        self._error = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def put(self, key: str, data: bytes, **options: Any) -> None:
        self._store.put(key, data, **options)
        raise self._error("making the new name durable failed", operation="put", may_have_taken_effect=True)


@pytest.mark.parametrize("error", [NoSpaceError, LocalIOError])
@pytest.mark.parametrize("before", [None, b"zero"])
def test_in_place_and_perhaps_not_durable(tmp_path: Path, error: type[StorageError], before: bytes | None) -> None:
    store = open_store(f"file://{tmp_path}/ck")
    if before is not None:
        store.put(".metadata", before)
    commit = Commit(NotDurable(store, error), ".metadata")  # type: ignore[arg-type]
    with pytest.raises(error, match="the new checkpoint is in place") as caught:
        commit.publish(b"mine")
    assert is_in_doubt(caught.value)
    assert is_in_doubt(pickle.loads(pickle.dumps(caught.value)))  # as the other ranks are told
    assert not commit.refused


def test_a_disk_that_is_full_before_the_rename_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(f"file://{tmp_path}/ck")
    commit = Commit(store, ".metadata")

    def full(*args: Any, **options: Any) -> None:
        raise NoSpaceError("the disk is full", operation="put")

    monkeypatch.setattr(store, "put", full)
    with pytest.raises(NoSpaceError) as caught:
        commit.publish(b"mine")
    assert commit.refused
    assert not is_in_doubt(caught.value)


@pytest.mark.parametrize("before", [None, b"zero"])
@pytest.mark.parametrize("code", ["PreconditionFailed", "ConditionalRequestConflict"])
def test_a_lost_race_in_doubt(fault_server: FaultServer, store_on, before: bytes | None, code: str) -> None:
    """Whether another's checkpoint is there decides: the condition keeps a late request of ours out then."""
    store = store_on(fault_server, tuning={"max_attempts": 2})
    if before is not None:
        store.put(".metadata", before)
    # A condition that holds and is said not to makes no sense: the engine takes that for the answer to all attempts.
    nonsense = before is not None and code == "PreconditionFailed"
    for by_another in (True,) if nonsense else (False, True):
        commit = Commit(store, ".metadata")
        fault_server.fault("put", lose_answer=True, not_done=True, end="rst")
        rule = fault_server.fault("put", times=None, status=409 if "Conflict" in code else 412, code=code)
        if by_another:
            fault_server.objects.put_object("data", ".metadata", b"another's")
        with pytest.raises(StorageError) as caught:
            commit.publish(b"mine")
        assert rule.fired
        assert commit.refused == by_another
        assert is_in_doubt(caught.value) != by_another
        fault_server.heal()


def test_ctrl_c_leaves_it_in_doubt(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = Commit(store, ".metadata")

    def interrupted(*args: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "put", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        commit.publish(b"mine")
    assert is_in_doubt(caught.value)
    assert not commit.refused


@pytest.mark.parametrize("no_etag", [False, True])
def test_a_service_without_conditions_is_told_the_switch(fault_server: FaultServer, store_on, no_etag: bool) -> None:
    store = store_on(fault_server)
    store.put(".metadata", b"zero")
    if no_etag:
        fault_server.fault("head", headers={"ETag": None}, times=None)
        fault_server.fault("get", headers={"ETag": None}, times=None)
    else:
        fault_server.fault("put", status=501, code="NotImplemented", times=None)
    commit = Commit(store, ".metadata")
    with pytest.raises(UnsupportedOperationError, match="conditional_commit=False"):
        commit.publish(b"mine")
    assert commit.refused


def test_refused_for_certain(fault_server: FaultServer, store_on) -> None:
    store = store_on(fault_server)
    commit = Commit(store, ".metadata")
    fault_server.fault("put", status=403, code="AccessDenied")
    with pytest.raises(AccessDeniedError):
        commit.publish(b"mine")
    assert commit.refused


def test_only_data_objects_are_removed(store: Store) -> None:
    for key in (".metadata", "__0_0.distcp", "a/__1_0-x.distcp", "other"):
        store.put(key, b"x")
    keys = [".metadata", "__0_0.distcp", "a/__1_0-x.distcp", "other", "../outside.distcp", "not there.distcp"]
    assert remove_objects(store, keys) is None
    assert [meta.key for meta in store.list()] == [".metadata", "other"]


def test_what_cannot_be_removed_is_told(fault_server: FaultServer, store_on) -> None:
    fault_server.fault("delete_many", status=403, code="AccessDenied", times=None)
    fault_server.fault("delete", status=403, code="AccessDenied", times=None)
    store = store_on(fault_server)
    assert remove_objects(store, ["__0_0.distcp"]) is not None
