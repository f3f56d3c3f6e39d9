"""Checkpoints that torch's own writers made load through ours, and equal what torch's own readers make of them."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint as dcp
from load_parts import assert_equal, blank, cut_out, every_kind, filled, load, load_slices, save
from servers.access import credentials_of
from servers.seaweedfs import LocalS3
from torch.distributed.checkpoint._extension import ZStandard
from torch.distributed.checkpoint._fsspec_filesystem import FsspecWriter

from s3dlio_core import CheckpointError, open_store
from s3dlio_torch.dcp.reader import StorageReader


@pytest.fixture(params=["file", "files", "threads", "fsspec", "zstd"])
def stock(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "fsspec":
        return FsspecWriter(f"file://{tmp_path}")
    options: dict[str, Any] = {
        "file": {},
        "files": {"single_file_per_rank": False},
        "threads": {"thread_count": 3},
        "zstd": {"_extensions": [ZStandard()]},
    }[request.param]
    return dcp.FileSystemWriter(tmp_path, **options)


@pytest.mark.parametrize("scheme", ["file", "direct"])
@pytest.mark.parametrize("verify", [True, "whole", False])
def test_every_kind_of_content_loads_equal(stock: Any, tmp_path: Path, scheme: str, verify: Any) -> None:
    state = every_kind()
    save(state, stock)
    found = load(blank(state), StorageReader(f"{scheme}://{tmp_path}", verify=verify))
    assert_equal(found, state)


def test_slices_of_stock_tensors_load_equal(stock: Any, tmp_path: Path) -> None:
    state = {"w": filled((500, 300)), "v": filled((64, 10, 12), torch.bfloat16), "t": filled((90, 70)).t()}
    state["large t"] = filled((1500, 900), torch.float32, 5).t()
    state["image"] = filled((4, 6, 90, 80), torch.float32, 6).to(memory_format=torch.channels_last)
    save(state, stock)
    wanted = {
        "w": ((100, 7), (333, 200)),
        "v": ((3, 2, 1), (60, 5, 11)),
        "t": ((10, 20), (50, 60)),
        "large t": ((100, 5), (700, 1400)),
        "image": ((1, 2, 3, 4), (2, 3, 80, 70)),
    }
    planner = load_slices(StorageReader(f"file://{tmp_path}"), wanted)
    for name, where in wanted.items():
        assert torch.equal(planner.found[name], cut_out(state[name], where)), name
    assert sorted(planner.committed) == sorted(wanted)


def test_a_checkpoint_on_s3_loads(seaweedfs: LocalS3, name: str, tmp_path: Path) -> None:
    state = every_kind()
    save(state, dcp.FileSystemWriter(tmp_path))
    options: dict[str, Any] = credentials_of(seaweedfs)
    with open_store(f"s3://train/{name}/", **options) as store:
        for path in tmp_path.iterdir():
            store.put(path.name, path.read_bytes())
    endpoint_url, region = options.pop("endpoint_url"), options.pop("region")
    reader = StorageReader(f"s3://train/{name}", endpoint_url=endpoint_url, region=region, options=options)
    assert_equal(load(blank(state), reader), state)


def test_a_checkpoint_saved_without_collectives_loads_by_rank(tmp_path: Path) -> None:
    state = {"w": filled((100, 50)), "step": 3}
    save(state, dcp.FileSystemWriter(tmp_path), use_collectives=False)
    named = sorted(path.name for path in tmp_path.iterdir())
    if "__0.metadata" not in named:  # torch ignores it in a single process: named by hand
        (tmp_path / ".metadata").rename(tmp_path / "__0.metadata")
    reader = StorageReader(f"file://{tmp_path}")
    metadata = reader.read_metadata(rank=0)
    assert set(metadata.state_dict_metadata) == {"w", "step"}
    with pytest.raises(CheckpointError, match=r"there is __0\.metadata"):
        reader.read_metadata()


def test_an_object_that_is_more_than_data_is_refused_unless_trusted(tmp_path: Path) -> None:
    save({"odd": Odd(5)}, dcp.FileSystemWriter(tmp_path))
    Odd.made = 0
    with pytest.raises(CheckpointError, match=r"'odd' cannot be read as plain data.*trusted=True"):
        load({"odd": None}, StorageReader(f"file://{tmp_path}"))
    assert Odd.made == 0
    assert load({"odd": None}, StorageReader(f"file://{tmp_path}", trusted=True))["odd"].value == 5
    assert Odd.made == 1


def test_a_class_that_torch_was_told_is_safe_loads(tmp_path: Path) -> None:
    save({"odd": Odd(5)}, dcp.FileSystemWriter(tmp_path))
    with torch.serialization.safe_globals([Odd]):
        assert load({"odd": None}, StorageReader(f"file://{tmp_path}"))["odd"].value == 5


class Odd:
    """A class nobody knows."""

    made = 0

    def __init__(self, value: int) -> None:
        self.value = value

    def __setstate__(self, state: dict[str, int]) -> None:
        type(self).made += 1
        vars(self).update(state)


def test_a_pickle_in_the_place_of_an_object_runs_nothing(tmp_path: Path) -> None:
    """The planner unpickles without looking: what it gets must be harmless by then."""
    save({"lr": 0.5}, dcp.FileSystemWriter(tmp_path))
    data = next(tmp_path.glob("*.distcp"))
    stream = io.BytesIO()
    torch.save(Malicious(tmp_path / "was-here"), stream)
    whole = stream.getvalue()
    data.write_bytes(whole)
    metadata = StorageReader(f"file://{tmp_path}").read_metadata()
    next(iter(metadata.storage_data.values())).length = len(whole)
    (tmp_path / ".metadata").write_bytes(pickle.dumps(metadata))
    with pytest.raises(CheckpointError, match="'lr' cannot be read as plain data"):
        load({"lr": 0.0}, StorageReader(f"file://{tmp_path}"))
    assert not (tmp_path / "was-here").exists()


class Malicious:
    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self._mark,)
