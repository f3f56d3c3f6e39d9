"""Objects that are data come back as they were saved; others are refused, and the save says so already."""

from __future__ import annotations

import argparse
import collections
import datetime
import decimal
import enum
import fractions
import io
import os
import pathlib
import random
import uuid
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed.checkpoint as dcp
from load_parts import load, save
from torch.distributed.checkpoint.stateful import Stateful

from s3dlio_core import CheckpointError
from s3dlio_torch.dcp import StorageReader, StorageWriter
from s3dlio_torch.dcp.plain_data import load_plain, why_refused

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled")


CALLS: list[object] = []


class Phase(enum.Enum):
    WARM_UP = 1
    DECAY = ("cosine", 3)

    @classmethod
    def _missing_(cls, value: object) -> None:
        CALLS.append(value)


class Level(enum.IntEnum):
    LOW = 2


class Custom:
    pass


KINDS: dict[str, Any] = {
    "date": datetime.date(2024, 2, 29),
    "datetime": datetime.datetime(2024, 2, 29, 1, 2, 3, 4),
    "datetime with a zone": datetime.datetime(2024, 2, 29, tzinfo=datetime.timezone(datetime.timedelta(hours=2), "X")),
    "decimal": decimal.Decimal("1.50"),
    "deque": collections.deque([1, (2, uuid.UUID(int=5))], maxlen=5),
    "empty deque": collections.deque(),
    "enum": [Phase.DECAY, Phase.WARM_UP, Level.LOW],
    "frozenset": frozenset([1, uuid.UUID(int=7)]),
    "namespace": argparse.Namespace(lr=0.1, names=["a"], nested=argparse.Namespace(when=datetime.time(3))),
    "numpy dtype": np.dtype("float32"),
    "numpy scalars": [np.float64(1.5), np.int32(-3), np.bool_(True), np.complex64(1j), np.datetime64("2024-02-29")],
    "path": pathlib.Path("/a/b"),
    "pure paths": [pathlib.PurePosixPath("a"), pathlib.PureWindowsPath("c:/a")],
    "random state": random.getstate(),
    "range": range(3, 90, 4),
    "slice": slice(1, None, 2),
    "timedelta": datetime.timedelta(days=-1, seconds=3),
    "uuid": uuid.UUID(int=1 << 100),
    "uuids as keys": {uuid.UUID(int=1): [uuid.UUID(int=2)]},
}
ARRAYS: dict[str, np.ndarray[Any, Any]] = {
    "floats": np.arange(6.0).reshape(2, 3),
    "in columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "strided": np.arange(12)[::2],
    "big endian": np.arange(3, dtype=">i4"),
    "booleans": np.array([True, False]),
    "texts": np.array(["ab", "c"]),
    "times": np.array(["2024-02-29T01", "NaT"], dtype="M8[h]"),
    "no elements": np.zeros((0, 3), np.float16),
    "no dimensions": np.array(2.5),
    "state of numpy's generator": np.random.get_state()[1],  # type: ignore[index]
}


def saved(value: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_it_comes_back(kind: str) -> None:
    stored = saved({"here": KINDS[kind], "again": (KINDS[kind],)})
    assert why_refused(stored) == ""
    found = load_plain(stored)
    assert found["here"] == KINDS[kind]
    assert type(found["here"]) is type(KINDS[kind])
    assert found["again"][0] is found["here"]


@pytest.mark.parametrize("kind", ARRAYS)
def test_an_array_comes_back(kind: str) -> None:
    found = load_plain(saved([ARRAYS[kind]]))[0]
    assert (found.dtype, found.shape, found.flags.writeable) == (ARRAYS[kind].dtype, ARRAYS[kind].shape, True)
    assert found.flags.f_contiguous == ARRAYS[kind].flags.f_contiguous or kind == "strided"
    np.testing.assert_array_equal(found, ARRAYS[kind])


def test_streams_come_back_with_their_place() -> None:
    stream, text = io.BytesIO(b"abc"), io.StringIO("xyz")
    stream.seek(1)
    found, also = load_plain(saved((stream, text)))
    assert (found.read(), found.getvalue(), also.getvalue()) == (b"bc", b"abc", "xyz")


def test_a_list_that_holds_itself_comes_back() -> None:
    held: list[Any] = [uuid.UUID(int=1)]
    held.append(held)
    found = load_plain(saved(held))
    assert found[0] == uuid.UUID(int=1)
    assert found[1] is found


class AppState(Stateful):
    """As in torch's own end-to-end example: all of a training in one object."""

    def __init__(self, blob: bytes, seed: int) -> None:
        self.weight = torch.full((300,), float(seed))
        self.blob = blob
        self.generator = np.random.RandomState(seed)
        self.began = datetime.datetime(2024, 1, 1 + seed)

    def state_dict(self) -> dict[str, Any]:
        state = {"blob": io.BytesIO(self.blob), "generator": self.generator.get_state(), "began": self.began}
        return {"weight": self.weight, "random": random.getstate(), **state}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.weight, self.began = state_dict["weight"], state_dict["began"]
        self.blob = state_dict["blob"].getvalue()
        self.generator.set_state(state_dict["generator"])


@pytest.mark.parametrize("compression", [None, "zstd"])
def test_an_app_state_goes_through_a_checkpoint(tmp_path: Path, compression: str | None) -> None:
    kept = AppState(b"bytes of a data loader", 3)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        dcp.save(
            {"app": kept}, storage_writer=StorageWriter(f"file://{tmp_path}", compression=compression), no_dist=True
        )
    assert not [each for each in told if "will not load" in str(each.message)]
    expected = kept.generator.random_sample(5)
    app = AppState(b"", 0)
    load({"app": app}, StorageReader(f"file://{tmp_path}"))
    assert (app.blob, app.began) == (b"bytes of a data loader", datetime.datetime(2024, 1, 4))
    assert torch.equal(app.weight, torch.full((300,), 3.0))
    np.testing.assert_array_equal(app.generator.random_sample(5), expected)


def test_torchs_own_checkpoint_of_an_app_state_loads(tmp_path: Path) -> None:
    save({"app": AppState(b"x", 3)}, dcp.FileSystemWriter(tmp_path))
    app = AppState(b"", 0)
    load({"app": app}, StorageReader(f"file://{tmp_path}"))
    assert (app.blob, app.began) == (b"x", datetime.datetime(2024, 1, 4))


# ---- what is more than data ----
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (Custom(), "test_plain_data.Custom"),
        (fractions.Fraction(1, 3), "fractions.Fraction"),
        (np.array([1, "x", None], dtype=object), "no plain numbers"),
        (np.zeros(2, dtype=[("a", "i4")]), "no plain numbers"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_will_not_load_is_told_when_it_is_saved(tmp_path: Path, value: Any, reason: str) -> None:
    state = {"weight": torch.ones(3), "first": value, "second": value}
    with pytest.warns(UserWarning, match=f"will not load by default.*{reason}.*add_safe_globals.*trusted=True") as told:
        dcp.save(state, storage_writer=StorageWriter(f"file://{tmp_path}"), no_dist=True)
    assert len([each for each in told if "will not load" in str(each.message)]) == 1, "once for each kind"
    with pytest.raises(CheckpointError, match="cannot be read as plain data"):
        load({**state, "weight": torch.zeros(3)}, StorageReader(f"file://{tmp_path}"))
    again = {**state, "first": None, "weight": torch.zeros(3)}
    load(again, StorageReader(f"file://{tmp_path}", trusted=True))
    assert type(again["first"]) is type(value)


class Call:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._reduced = function, arguments

    def __reduce__(self) -> Any:
        return self._reduced


@pytest.mark.parametrize(
    "forged",
    [
        Call(os.system, "true"),
        Call(frozenset, range(1 << 60)),
        Call(collections.deque, range(1 << 60)),
        Call(Phase, 99),
        Call(pathlib.PurePosixPath, 3),
        Call(uuid.UUID, "not a number"),
        Call(np.dtype, "O"),
        Call(np.dtype, [("a", "i4")]),
        Call(np.ndarray, (1 << 40,), np.dtype("f8")),
        Call(np._core.multiarray.scalar, np.dtype("f8"), b"1234"),
    ],
    ids=lambda forged: f"{getattr(forged._reduced[0], '__name__', '')} {str(forged._reduced[1])[:20]}",
)
def test_a_forged_object_is_refused(forged: Call, tmp_path: Path) -> None:
    stored = saved([forged])
    with pytest.raises(Exception, match=r"."):
        load_plain(stored)
    assert why_refused(stored) != ""


def test_an_enumeration_is_looked_up_and_not_called() -> None:
    with pytest.raises(Exception, match="Phase has no such member"):
        load_plain(saved([Call(Phase, 99)]))
    assert CALLS == []


def test_an_array_with_other_bytes_than_its_shape_is_refused() -> None:
    class Forged:
        def __reduce__(self) -> Any:
            made = np.ndarray, (0,), b"b"
            return np._core.multiarray._reconstruct, made, (1, (1 << 20, 3), np.dtype("f8"), False, bytes(8))

    with pytest.raises(ValueError, match=r"shape \(1048576, 3\) has 8 bytes"):
        load_plain(saved([Forged()]))


def test_an_object_nested_too_deep_is_told_when_it_is_saved() -> None:
    nested: list[Any] = [uuid.UUID(int=1)]
    for _ in range(450):  # torch.save() writes that, and no more than twice as much
        nested = [nested]
    stored = saved(nested)
    assert "nested too deep" in why_refused(stored)
    with pytest.raises(ValueError, match="nested too deep"):
        load_plain(stored)


def test_torchs_list_of_names_is_left_as_it_was() -> None:
    before = set(torch.serialization.get_safe_globals())
    load_plain(saved(KINDS))
    with pytest.raises(Exception, match="Custom"):
        load_plain(saved([Custom(), uuid.UUID(int=1)]))
    assert set(torch.serialization.get_safe_globals()) == before
