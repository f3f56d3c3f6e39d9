"""Tensors into those that are there: load_into, load_model; and a module's into an object: save_model."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import Any, NamedTuple

import torch

from s3dlio_core import PutResult, Tuning
from s3dlio_core.errors import CheckpointError
from s3dlio_core.formats.safetensors_header import TensorInfo
from s3dlio_core.uri import uri_of_path
from s3dlio_core.weights.generation import Generation
from s3dlio_torch._fill_tensors import TensorItem, differing_names, fill_tensors
from s3dlio_torch._overlap import identity_of, overlapping_names
from s3dlio_torch._stores import Stores
from s3dlio_torch.safetensors._dtypes import torch_layout
from s3dlio_torch.safetensors._folder import find_tensors
from s3dlio_torch.safetensors._read import Device, one_place
from s3dlio_torch.safetensors._save import check_tensors, without_copies, write_file

__all__ = ["LoadReport", "load_into", "load_model", "save_model"]

Target = torch.nn.Module | Mapping[str, Any]


class LoadReport(NamedTuple):
    """What did not meet its counterpart; both empty after a strict load.

    Attributes:
        missing: Wanted and not stored, ascending.
        unexpected: Stored and not wanted, ascending.
    """

    missing: list[str]
    unexpected: list[str]


def load_into(
    uri: str | os.PathLike[str],
    target: Target,
    *,
    strict: bool = True,
    names: Iterable[str] | None = None,
    tuning: Tuning | None = None,
    **store_options: Any,
) -> LoadReport:
    """Read weights into the tensors of a module or of a state dict; no second copy of them is ever in memory.

    Everything is compared before the first byte is read, so a checkpoint that does not fit changes nothing. Contiguous
    CPU tensors are filled straight from the socket or the disk; others (on an accelerator, strided, of another type)
    through 64 MiB of host memory.

    Args:
        uri: A safetensors object, a folder of them, or their index ("....safetensors.index.json").
        target: A module, or tensors by name, e.g. model.state_dict(). Entries that are no tensors are passed by.
        strict: Raise if a name is missing or unexpected. A name counts as there if another one of the same memory is
            (tied weights). Where several stored tensors go to the same memory they must hold the same, which is
            compared; if not strict, the last one in the target's order counts, as for load_state_dict().
        names: Only these of the target's tensors.
    Raises:
        CheckpointError: Names (if strict) or shapes do not fit, a tensor has no memory of its own to fill, or stored
            tensors contradict each other that go to the same memory (if strict; only this shows after reading).
    """
    tensors = _targets(target, names)
    with Stores(tuning, store_options) as stores:
        found = find_tensors(stores, uri, "load_into")
        where = uri_of_path(uri)
        missing = sorted(set(tensors) - set(found) - _covered(tensors, found))
        unexpected = [] if names is not None else sorted(set(found) - set(tensors))
        if strict and (missing or unexpected):
            facts = [
                f"{what}: {', '.join(which[:10])}{', ...' if len(which) > 10 else ''}"
                for what, which in (("missing", missing), ("unexpected", unexpected))
                if which
            ]
            raise CheckpointError("; ".join(facts), operation="load_into", uri=where)
        items = {name: _item(*found[name], tensors[name]) for name in found if name in tensors}
        groups = _sharing(tensors, items)
        try:
            for wave in _waves(items, groups):
                fill_tensors(wave)
        finally:
            for item in items.values():
                torch.autograd.graph.increment_version(item.target)
        if strict:
            _check_agreement(items, groups, where)
        return LoadReport(missing, unexpected)


def load_model(
    model: torch.nn.Module,
    uri: str | os.PathLike[str] | None = None,
    strict: bool = True,
    device: Device = "cpu",
    *,
    filename: str | os.PathLike[str] | None = None,
    tuning: Tuning | None = None,
    **store_options: Any,
) -> LoadReport:
    """load_into() in the argument order of the format's own library.

    Args:
        device: Only checked to be one. The other library reads to it and copies from there; here the model's own
            tensors are filled, wherever they are.
        filename: The same as `uri`, under the other library's name.
    Raises:
        CheckpointError: As of load_into().
        RuntimeError: `device` is none.
    """
    torch.device(device)
    return load_into(one_place(uri, filename), model, strict=strict, tuning=tuning, **store_options)


def save_model(
    model: torch.nn.Module,
    uri: str | os.PathLike[str] | None = None,
    metadata: Mapping[str, str] | None = None,
    force_contiguous: bool = True,
    *,
    filename: str | os.PathLike[str] | None = None,
    tuning: Tuning | None = None,
    **store_options: Any,
) -> PutResult:
    """Write a module's tensors; of those that are one and the same (tied weights) the one that comes first by name.

    The names left out are kept in the metadata, each with the name it is stored under. load_model() brings them back.

    Args:
        force_contiguous: Store a contiguous copy of tensors that are not; False refuses them.
        filename: The same as `uri`, under the name the format's own library gives it.
    Raises:
        SharedTensorsError: Tensors overlap without being the same.
        InvalidArgumentError: A tensor is sparse, or not contiguous and `force_contiguous` is False.
    """
    tensors = {name: tensor for name, tensor in model.state_dict().items() if isinstance(tensor, torch.Tensor)}
    tensors, left_out = without_copies(tensors)
    if force_contiguous:
        tensors = {name: _contiguous(tensor) for name, tensor in tensors.items()}
    words = {**(metadata or {}), **left_out}
    with Stores(tuning, store_options) as stores:
        store, key = stores.at(one_place(uri, filename), "save_model")
        check_tensors(tensors, store.uri_of(key))
        return write_file(store, key, tensors, words or None)


def _contiguous(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous() if tensor.layout == torch.strided else tensor  # others are refused by name


def _targets(target: Target, names: Iterable[str] | None) -> dict[str, torch.Tensor]:
    entries = target.state_dict() if isinstance(target, torch.nn.Module) else target
    tensors = {name: tensor for name, tensor in entries.items() if isinstance(tensor, torch.Tensor)}
    if names is None:
        return tensors
    wanted = set(names)
    if unknown := sorted(wanted - set(tensors)):
        raise KeyError(f"the target has no tensor {', '.join(unknown[:10])}")
    return {name: tensor for name, tensor in tensors.items() if name in wanted}


def _covered(tensors: Mapping[str, torch.Tensor], found: Mapping[str, Any]) -> set[str]:
    """Names whose tensor is filled under another name."""
    filled = {identity_of(tensor) for name, tensor in tensors.items() if name in found}
    return {name for name, tensor in tensors.items() if identity_of(tensor) in filled}


def _sharing(tensors: Mapping[str, torch.Tensor], items: Mapping[str, TensorItem]) -> list[list[str]]:
    """Names of items whose targets overlap, each group in the target's order."""
    place = {name: number for number, name in enumerate(tensors)}
    return [
        sorted(group, key=place.__getitem__)
        for group in overlapping_names({name: item.target for name, item in items.items()})
    ]


def _waves(items: Mapping[str, TensorItem], groups: list[list[str]]) -> Iterator[list[TensorItem]]:
    """The items to be read at once, then those whose targets overlap with them: never two writers to one byte.

    Of several that have one and the same target only the last is read.
    """
    shared = {name for group in groups for name in group}
    alone = [item for name, item in items.items() if name not in shared]
    last = [list({identity_of(items[name].target): name for name in group}.values()) for group in groups]
    behind_each_other = [sorted(names, key=group.index) for names, group in zip(last, groups, strict=True)]
    for number, wave in enumerate(zip_longest(*behind_each_other)):
        yield [*(alone if number == 0 else ()), *(items[name] for name in wave if name is not None)]
    if not groups:
        yield alone


def _check_agreement(items: Mapping[str, TensorItem], groups: list[list[str]], uri: str) -> None:
    """Refuse names of one memory under which different contents are stored."""
    # The last of a group was written last: it is there as it is stored.
    differing = differing_names(items[name] for group in groups for name in group[:-1])
    if differing:
        group = next(group for group in groups if differing[0] in group)
        message = (
            f'"{differing[0]}" and "{group[-1]}" share memory in the target, and different contents are stored for '
            "them; the weights were saved from a model where they were apart. strict=False takes the last of: "
            f"{', '.join(group[:10])}"
        )
        raise CheckpointError(message, operation="load_into", uri=uri)


def _item(source: Generation, info: TensorInfo, target: torch.Tensor) -> TensorItem:
    dtype, shape = torch_layout(info, source.uri)
    problem = ""
    if tuple(target.shape) != shape:
        problem = f"is stored with the shape {list(shape)}; the target's is {list(target.shape)}"
    elif target.device.type == "meta":
        problem = "is on the meta device in the target: call model.to_empty(device=...) first"
    elif target.layout != torch.strided or type(target.detach()) is not torch.Tensor:
        problem = f"is a {type(target).__name__} of layout {target.layout} in the target; expected a plain dense tensor"
    elif any(stride == 0 and extent > 1 for extent, stride in zip(target.shape, target.stride(), strict=True)):
        problem = "is expanded in the target: several of its elements are one place in memory"
    if problem:
        raise CheckpointError(f'tensor "{info.name}" {problem}', operation="load_into", uri=source.uri)
    return TensorItem(source, info.start, info.end, dtype, target, name=info.name)
