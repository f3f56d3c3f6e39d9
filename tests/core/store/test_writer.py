"""The writer's ends. (What it stores: tests/conformance.)"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from s3dlio_core import ClosedError, Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"file://{tmp_path}") as opened:
        yield opened


def test_dropped_writer_publishes_nothing(store: Store, tmp_path: Path) -> None:
    writer = store.open_writer("w")
    writer.write(b"half of it")
    del writer
    gc.collect()
    assert not store.exists("w")
    for _ in range(200):  # what was written goes on a thread of the engine's
        if not list(tmp_path.iterdir()):
            break
        time.sleep(0.02)
    assert list(tmp_path.iterdir()) == []


def test_result_after_close(store: Store) -> None:
    with store.open_writer("w") as writer:
        assert writer.result is None
        assert writer.write(torch.arange(10, dtype=torch.bfloat16)) == 20
        assert writer.tell() == 20
    assert writer.result is not None
    assert writer.result.etag == store.head("w").etag
    assert store.head("w").size == 20


def test_written_after_the_end(store: Store) -> None:
    writer = store.open_writer("w")
    writer.close()
    with pytest.raises(ClosedError, match="closed"):
        writer.write(b"x")
    with pytest.raises(TypeError, match="str"):
        store.open_writer("v").write("text")


def test_says_what_it_is(store: Store) -> None:
    writer = store.open_writer("w")
    assert repr(writer) == f"ObjectWriter({store.uri_of('w')!r}, open, 0 bytes)"
    assert (writer.writable(), writer.readable(), writer.seekable()) == (True, False, False)
    writer.abort()
    assert "closed" in repr(writer)
