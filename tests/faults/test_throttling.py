"""A service that allows so many requests a second and answers 503 to the others: jobs take longer, and end well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from servers.fault_server import FaultServer
from servers.limiter import Limiter

from s3dlio_core import Store, stats

COUNT = 400
KEYS = [f"k{index:03d}" for index in range(COUNT)]
USUAL = {"backoff_base_seconds": 0.1, "backoff_cap_seconds": 20.0}  # not those of a quick test

pytestmark = pytest.mark.usefixtures("counted")


def data_of(key: str) -> bytes:
    return key.encode() * 25


def read_many(store: Store) -> list[bytes]:
    return [bytes(data) for data in store.get_many(KEYS)]


def read_into(store: Store) -> list[bytes]:
    out = bytearray(100 * COUNT)
    store.get_many_into(KEYS, out, range(0, 100 * COUNT + 1, 100))
    return [bytes(out[start : start + 100]) for start in range(0, len(out), 100)]


def read_ahead(store: Store) -> list[bytes]:
    return [bytes(data) for _, data in store.prefetch(KEYS)]


@pytest.mark.parametrize("read", [read_many, read_into, read_ahead])
def test_g36_reads_of_many_objects(
    fault_server: FaultServer, store_on: Callable[..., Store], read: Callable[[Store], list[Any]]
) -> None:
    for key in KEYS:
        fault_server.put_object("data", key, data_of(key))
    limiter = Limiter(fault_server, "get", per_second=300)
    assert read(store_on(fault_server, tuning=USUAL)) == [data_of(key) for key in KEYS]
    assert stats()["throttled"] == limiter.refused > 0
    assert stats()["retry_budget_exhausted"] == 0


def test_g36_writes_of_many_objects(fault_server: FaultServer, store_on: Callable[..., Store]) -> None:
    limiter = Limiter(fault_server, "put", per_second=300)
    store_on(fault_server, tuning=USUAL).put_many((key, data_of(key)) for key in KEYS)
    assert {key: fault_server.stored("data", key) for key in KEYS} == {key: data_of(key) for key in KEYS}
    assert limiter.refused > 0
