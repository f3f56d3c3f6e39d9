"""fill_many: memory is filled as a whole, or the object is named that is too short for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3dlio_core import RecordError, open_store
from s3dlio_core.weights.fill import Fill, fill_many
from s3dlio_core.weights.generation import Generation


def test_every_target_is_filled_and_told(tmp_path: Path) -> None:
    with open_store(f"file://{tmp_path}/") as store:
        store.put("a", b"0123456789")
        targets, done = [bytearray(4), bytearray(3)], []
        fill_many(
            [Fill(Generation(store, "a", 10, ""), [(0, 4), (7, 10)], targets, lambda: done.append(bytes(targets[0])))],
            2,
        )
    assert targets == [b"0123", b"789"]
    assert done == [b"0123"]


def test_an_object_that_ends_within_a_target_is_an_error(tmp_path: Path) -> None:
    """What was there before, or zeros, would be taken for the object's."""
    done: list[None] = []
    with open_store(f"file://{tmp_path}/") as store:
        store.put("a", b"0123456789")
        fill = Fill(
            Generation(store, "a", 20, ""), [(0, 4), (6, 20)], [bytearray(4), bytearray(14)], lambda: done.append(None)
        )
        with pytest.raises(RecordError, match=r"found 4 bytes at \[6, 20\)") as caught:
            fill_many([fill], 1)
    assert caught.value.uri == f"file://{tmp_path}/a"
    assert done == []
