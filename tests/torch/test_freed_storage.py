"""A tensor whose storage was freed, as FSDP does between uses of a parameter: its shape stays, its bytes are gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.api import CheckpointException

from s3dlio_core import Buffer, FetchItem, InvalidArgumentError, Store, _ext, open_store
from s3dlio_core.checksum import crc32
from s3dlio_torch.dcp import StorageReader, StorageWriter
from s3dlio_torch.safetensors import load_model, save_file

REASON = "was freed or made smaller"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    opened = open_store(f"file://{tmp_path}/")
    opened.put("a", bytes(4000))
    return opened


def freed() -> torch.Tensor:
    tensor = torch.ones(1000)
    tensor.untyped_storage().resize_(0)
    return tensor


def cut_short() -> torch.Tensor:
    """Its first bytes are there: what reads past them reads what is none of the tensor's."""
    tensor = torch.ones(1000)
    tensor.untyped_storage().resize_(400)
    return tensor


def behind_the_end() -> torch.Tensor:
    view = torch.ones(2000)[1000:]
    view.untyped_storage().resize_(4000)
    return view


def from_ops(store: Store, tensor: torch.Tensor) -> object:
    ops = pytest.importorskip("s3dlio_torch.ops", reason="built without torch", exc_type=ImportError)
    return ops.read_into(store, "a", tensor)


def from_writer(store: Store, tensor: torch.Tensor) -> None:
    with store.open_writer("w") as writer:
        writer.write(tensor)


USES: dict[str, Callable[[Store, torch.Tensor], object]] = {
    "put": lambda store, tensor: store.put("b", tensor),
    "put_many": lambda store, tensor: store.put_many([("b", tensor)]),
    "write": from_writer,
    "get_into": lambda store, tensor: store.get_into("a", tensor),
    "get_range": lambda store, tensor: store.get_range("a", start=0, end=10, out=tensor),
    "get_ranges": lambda store, tensor: store.get_ranges("a", [(0, 10)], out=[tensor]),
    "get_many_into": lambda store, tensor: store.get_many_into([FetchItem("a", end=8)], tensor, [0, 8]),
    "Buffer": lambda store, tensor: Buffer(tensor),
    "crc32": lambda store, tensor: crc32(tensor),
    "window": lambda store, tensor: _ext.window(tensor, 10),
    "huge pages": lambda store, tensor: _ext.prefer_huge_pages(tensor),
    "ops": from_ops,
    "save_file": lambda store, tensor: save_file({"w": tensor}, store.uri_of("m.safetensors")),
}


@pytest.mark.parametrize("make", [freed, cut_short, behind_the_end])
@pytest.mark.parametrize("use", list(USES))
def test_is_refused_wherever_its_memory_is_taken(store: Store, use: str, make: Callable[[], torch.Tensor]) -> None:
    with pytest.raises(InvalidArgumentError, match=REASON):
        USES[use](store, make())
    assert sorted(item.key for item in store.list()) == ["a"]


def test_a_whole_tensor_and_an_empty_one_are_taken(store: Store) -> None:
    store.put("b", torch.ones(10)[2:5])
    assert store.get("b") == torch.ones(3).numpy().tobytes()
    empty = torch.ones(0)
    empty.untyped_storage().resize_(0)
    assert store.put("b", empty).size == 0


@pytest.mark.filterwarnings("ignore:torch.distributed is")
@pytest.mark.parametrize("layout", ["contiguous", "transposed"])
def test_dcp_saves_no_zeros_in_its_place(store: Store, layout: str) -> None:
    """torch's own view of the freed storage makes it anew, of zeros, which would be stored with a right checksum."""
    weight = torch.ones(20, 50) if layout == "contiguous" else torch.ones(50, 20).t()
    weight.untyped_storage().resize_(0)
    with pytest.raises(CheckpointException, match=REASON):
        dcp.save({"w": weight}, storage_writer=StorageWriter(store.uri_of("step/")))
    assert weight.untyped_storage().nbytes() == 0
    assert not [item.key for item in store.list("step/")]


@pytest.mark.filterwarnings("ignore:torch.distributed is")
def test_dcp_loads_nothing_into_it(store: Store) -> None:
    dcp.save({"w": torch.ones(1000)}, storage_writer=StorageWriter(store.uri_of("step/")))
    with pytest.raises((CheckpointException, RuntimeError), match=r"storage of size 0|was freed"):
        dcp.load({"w": freed()}, storage_reader=StorageReader(store.uri_of("step/")))


def test_load_model_into_freed_parameters(store: Store) -> None:
    save_file({"weight": torch.ones(4, 4)}, store.uri_of("m.safetensors"))
    model = torch.nn.Linear(4, 4, bias=False)
    model.weight.untyped_storage().resize_(0)
    with pytest.raises(InvalidArgumentError, match=REASON):
        load_model(model, store.uri_of("m.safetensors"))
