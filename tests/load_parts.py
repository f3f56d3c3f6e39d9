"""What the tests of loading checkpoints share: state dicts, a planner for slices, and ways to save and load alone."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.metadata import ChunkStorageMetadata, TensorStorageMetadata
from torch.distributed.checkpoint.planner import LoadPlan, LoadPlanner, ReadItem
from torch.distributed.checkpoint.planner_helpers import create_read_items_for_chunk_list

DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.uint16, torch.bool, torch.complex64, torch.complex128, torch.float8_e4m3fn,
]  # fmt: skip

Slice = tuple[Sequence[int], Sequence[int]]  # offsets and lengths


def filled(shape: Sequence[int], dtype: torch.dtype = torch.float32, seed: int = 0) -> torch.Tensor:
    """Random bytes as a tensor; no NaN, so that equal means equal."""
    size = math.prod(shape)
    random = torch.randint(
        0, 2, (size * dtype.itemsize,), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed)
    )
    if dtype in (torch.bool, torch.float8_e4m3fn):
        return random.view(dtype).reshape(tuple(shape))
    numbers = torch.randint(-100, 100, (size,), generator=torch.Generator().manual_seed(seed))
    return numbers.to(dtype).reshape(tuple(shape))


def every_kind() -> dict[str, Any]:
    """Tensors of many dtypes and shapes, and objects."""
    state: dict[str, Any] = {f"t.{str(d)[6:]}": filled((37, 113), d, seed) for seed, d in enumerate(DTYPES)}
    state |= {
        "large": filled((1200, 700), torch.float32, 50),
        "scalar": torch.tensor(2.5),
        "empty": torch.empty(0, 4),
        "transposed": filled((200, 100)).t(),
        "row": filled((100, 100))[3],
        "lr": 0.125,
        "step": 7,
        "nested": {"names": ["a", "b"], "deep": {"x": None, "y": (1, 2.5)}},
    }
    return state


def blank(state: Any) -> Any:
    """The same with other contents."""
    if isinstance(state, torch.Tensor):
        return torch.zeros_like(state)
    if isinstance(state, dict):
        return {key: blank(value) for key, value in state.items()}
    return type(state)() if isinstance(state, (list, tuple)) else -1


def assert_equal(found: Any, expected: Any, name: str = "") -> None:
    if isinstance(expected, torch.Tensor):
        assert found.dtype == expected.dtype, name
        if expected.dtype == torch.float8_e4m3fn:  # torch compares none of these
            found, expected = found.view(torch.uint8), expected.view(torch.uint8)
        assert torch.equal(found, expected), name
        return
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), name
        for key in expected:
            assert_equal(found[key], expected[key], f"{name}/{key}")
        return
    assert found == expected, name


def save(state: Mapping[str, Any], writer: Any, **options: Any) -> None:
    """Save in this process alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is alone
        dcp.save(dict(state), storage_writer=writer, no_dist=True, **options)


def load(state: dict[str, Any], reader: Any, **options: Any) -> dict[str, Any]:
    """Load in this process alone, into `state`. Raises what this rank met, which torch wraps."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dcp.load(state, storage_reader=reader, no_dist=True, **options)
        except CheckpointException as error:
            raise error.failures[0][0] from None
    return state


class SlicePlanner(LoadPlanner):
    """Loads slices of tensors, as a rank of a larger job would: `wanted` maps a name to (offsets, lengths).

    Attributes:
        found: What was loaded, by name.
        committed: Names in the order they were committed.
    """

    def __init__(self, wanted: Mapping[str, Slice], targets: Mapping[str, torch.Tensor] | None = None) -> None:
        self._wanted = wanted
        self.found: dict[str, torch.Tensor] = dict(targets or {})
        self.committed: list[str] = []

    def set_up_planner(self, state_dict: Any, metadata: Any = None, is_coordinator: bool = False) -> None:
        self._metadata = metadata
        for name, (_, lengths) in self._wanted.items():
            entry = metadata.state_dict_metadata[name]
            assert isinstance(entry, TensorStorageMetadata)
            self.found.setdefault(name, torch.zeros(tuple(lengths), dtype=entry.properties.dtype))

    def create_local_plan(self) -> LoadPlan:
        items: list[ReadItem] = []
        for name, (offsets, lengths) in self._wanted.items():
            chunk = ChunkStorageMetadata(torch.Size(offsets), torch.Size(lengths))
            items += create_read_items_for_chunk_list(name, self._metadata.state_dict_metadata[name], [chunk])
        return LoadPlan(items)

    def create_global_plan(self, global_plan: list[LoadPlan]) -> list[LoadPlan]:
        return global_plan

    def finish_plan(self, central_plan: LoadPlan) -> LoadPlan:
        return central_plan

    def load_bytes(self, read_item: ReadItem, value: io.BytesIO) -> None:
        raise AssertionError("no bytes are wanted")

    def resolve_tensor(self, read_item: ReadItem) -> torch.Tensor:
        target = self.found[read_item.dest_index.fqn]
        for dimension, (offset, length) in enumerate(zip(read_item.dest_offsets, read_item.lengths, strict=True)):
            target = target.narrow(dimension, offset, length)
        return target

    def commit_tensor(self, read_item: ReadItem, tensor: torch.Tensor) -> None:
        self.committed.append(read_item.dest_index.fqn)


def load_slices(
    reader: Any, wanted: Mapping[str, Slice], targets: Mapping[str, torch.Tensor] | None = None
) -> SlicePlanner:
    """Load slices of tensors in this process alone."""
    planner = SlicePlanner(wanted, targets)
    load({}, reader, planner=planner)
    return planner


def cut_out(tensor: torch.Tensor, wanted: Slice) -> torch.Tensor:
    """The slice, by torch."""
    for dimension, (offset, length) in enumerate(zip(*wanted, strict=True)):
        tensor = tensor.narrow(dimension, offset, length)
    return tensor
