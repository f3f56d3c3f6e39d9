"""State dicts of every kind, and how two are compared: bit by bit."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint import FileSystemReader
from torch.distributed.checkpoint._extension import ExtensionRegistry

DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.uint16, torch.uint32, torch.uint64, torch.bool, torch.complex128, torch.complex64,
    torch.complex32, torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz,
    torch.float8_e8m0fnu,
]  # fmt: skip


def random_tensor(dtype: torch.dtype, *shape: int, seed: int = 0) -> torch.Tensor:
    """Random bits, NaNs included."""
    generator = torch.Generator().manual_seed(seed)
    size = torch.Size(shape).numel() * dtype.itemsize
    most = 2 if dtype == torch.bool else 256
    return torch.randint(0, most, (size,), dtype=torch.uint8, generator=generator).view(dtype).view(shape)


def all_kinds() -> dict[str, Any]:
    """Every type in a large and a tiny tensor, every stride a tensor may have, and what is no tensor."""
    state: dict[str, Any] = {}
    for number, dtype in enumerate(DTYPES):
        name = str(dtype).removeprefix("torch.")
        state[f"{name}.large"] = random_tensor(dtype, 301, 257, seed=number)
        state[f"{name}.tiny"] = random_tensor(dtype, 3, 5, seed=number)
    state |= {
        "zero-dimensional": torch.tensor(2.5, dtype=torch.bfloat16),
        "empty": torch.empty(0, 7),
        "transposed": random_tensor(torch.float32, 500, 300).t(),
        "every third": random_tensor(torch.int16, 900, 700)[5:800:3, ::3],
        "view of a larger one": random_tensor(torch.float32, 1000, 1000)[10:200],
        "expanded": random_tensor(torch.int32, 1, 300).expand(200, 300),
        "conjugate": random_tensor(torch.complex64, 200, 200).conj(),
        "negative": random_tensor(torch.complex64, 200, 200).conj().imag,
        "parameter": torch.nn.Parameter(random_tensor(torch.float32, 150, 150)),
        "many dimensions": random_tensor(torch.uint8, 2, 3, 4, 5, 6, 7).permute(5, 1, 3, 0, 2, 4),
        "plain": {"step": 17, "names": ["a", "b"], "rate": 0.25},
    }
    return state


def empty_like(state: dict[str, Any]) -> dict[str, Any]:
    """Something to load `state` into: contiguous zeros, and what is no tensor with other values."""
    return {name: _blank(value) for name, value in state.items()}


def _blank(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return torch.zeros(value.numel() * value.itemsize, dtype=torch.uint8).view(value.dtype).view(value.shape)
    if isinstance(value, dict):
        return {key: _blank(inner) for key, inner in value.items()}
    return [_blank(inner) for inner in value] if isinstance(value, list) else None


def bits(tensor: torch.Tensor) -> torch.Tensor:
    """What `tensor` means, as bytes."""
    plain = tensor.detach().resolve_conj().resolve_neg().contiguous()
    return plain.reshape(-1).view(torch.uint8)


def assert_equal(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Every tensor bit by bit (so NaNs are compared as well), everything else by value."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, torch.Tensor):
            assert found[name].shape == value.shape, name
            assert found[name].dtype == value.dtype, name
            assert torch.equal(bits(found[name]), bits(value)), name
        else:
            assert found[name] == value, name


def load_by_torch(path: str, like: dict[str, Any], registry: ExtensionRegistry | None = None) -> dict[str, Any]:
    """What torch's own reader makes of the checkpoint in the folder `path`."""
    loaded = empty_like(like)
    dcp.load(loaded, storage_reader=FileSystemReader(path, _extension_registry=registry), no_dist=True)
    return loaded
