"""`place` and `any_store`: every test of this room runs over each kind of store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers.access import CAPABILITIES, Place, credentials_of
from servers.content import MIB
from servers.fault_server import FaultServer

from s3dlio_core import Store, Tuning, open_store

# Small parts, so that a few MiB already go in several.
TUNING = {"part_size": 5 * MIB, "multipart_threshold": 6 * MIB, "sync_writes": False}


@pytest.fixture(scope="session")
def loopback() -> Iterator[FaultServer]:
    with FaultServer() as server:
        server.objects.buckets["train"] = {}
        yield server


@pytest.fixture(params=list(CAPABILITIES))
def place(request: pytest.FixtureRequest, tmp_path: Path, name: str) -> Iterator[Place]:
    kind = request.param
    on_disk = kind in ("file", "direct")
    opened: list[Store] = []
    if on_disk:
        (tmp_path / "root").mkdir()  # as a bucket has to be there
    base = f"{kind}://{tmp_path}/root/" if on_disk else f"s3://train/{name}/"
    options = {} if on_disk else credentials_of(request.getfixturevalue(kind))

    def opened_at(uri: str, **more: Any) -> Store:
        tuning = Tuning(**{**TUNING, **more.pop("tuning", {})})
        store = open_store(uri, tuning=tuning, **{**options, **more})
        opened.append(store)
        return store

    def reopen(prefix: str = "", **more: Any) -> Store:
        return opened_at(base + prefix, **more)

    yield Place(kind, reopen, lambda bucket: opened_at(f"s3://{bucket}/"))
    for store in opened:
        store.close()


@pytest.fixture
def any_store(place: Place) -> Store:
    return place.store
