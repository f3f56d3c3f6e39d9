"""The conditional write that makes a checkpoint exist: one of two wins, and a lost answer deceives nobody."""

from __future__ import annotations

from pathlib import Path

import pytest
from servers.fault_server import FaultServer

from s3dlio_core import AccessDeniedError, CheckpointError, ServerError, Store, open_store
from s3dlio_core.checkpoint.commit import Commit, remove_objects


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
