"""Weights spread over several safetensors objects, as Hugging Face lays them out.

model-00001-of-00002.safetensors, ...     tensors, every name once
model.safetensors.index.json              {"metadata": {...}, "weight_map": {name: file}}; written last
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from typing import Any

import torch

from s3dlio_core import Tuning
from s3dlio_core.errors import CheckpointError
from s3dlio_core.formats.safetensors_header import SafetensorsHeader, TensorInfo
from s3dlio_core.uri import uri_of_path
from s3dlio_core.weights.generation import Generation
from s3dlio_core.weights.safetensors import open_safetensors
from s3dlio_torch._fill_tensors import TensorItem, fill_tensors
from s3dlio_torch._stores import Stores
from s3dlio_torch.safetensors._dtypes import torch_layout
from s3dlio_torch.safetensors._read import Device, allocate

__all__ = ["INDEX_SUFFIX", "SINGLE", "find_tensors", "load_sharded"]

INDEX_SUFFIX = ".safetensors.index.json"
SINGLE = "model.safetensors"
_SUFFIX = ".safetensors"
_SHARD = re.compile(r"-\d{5}-of-\d{5}\.safetensors$")
_HEADS_IN_FLIGHT = 16

Found = dict[str, tuple[Generation, TensorInfo]]


def load_sharded(
    uri: str | os.PathLike[str],
    device: Device = "cpu",
    *,
    names: Iterable[str] | None = None,
    tuning: Tuning | None = None,
    **store_options: Any,
) -> dict[str, torch.Tensor]:
    """Read all weights of a folder, several objects at once, straight into the tensors.

    Args:
        uri: The folder, its index ("....safetensors.index.json"), or a single safetensors object. In a folder the index
            says what belongs to the weights; without one it is model.safetensors, else all safetensors objects.
        device: Where the tensors are to lie.
        names: Only these tensors; objects that hold none of them are not read beyond their heads.
        store_options: As open_store() takes them.
    Returns:
        The tensors by name; each has memory of its own.
    Raises:
        CheckpointError: There are no weights, the index names a tensor its object does not hold, or two objects hold
            the same name.
        RecordError: An object is damaged.
        KeyError: One of `names` is not there.
    """
    where = torch.device(device)
    with Stores(tuning, store_options) as stores:
        found = find_tensors(stores, uri, "load_sharded")
        wanted = set(found) if names is None else set(names)
        if unknown := sorted(wanted - set(found)):
            raise KeyError(f"{os.fspath(uri)} holds no tensor {', '.join(unknown[:10])}")
        tensors: dict[str, torch.Tensor] = {}
        items = []
        for name, (source, info) in found.items():
            if name in wanted:
                tensors.update(allocate(source, [info], where))
                dtype, _ = torch_layout(info, source.uri)
                items.append(TensorItem(source, info.start, info.end, dtype, tensors[name]))
        fill_tensors(items)
        return tensors


def find_tensors(stores: Stores, uri: str | os.PathLike[str], operation: str) -> Found:
    """Where every tensor of the weights at `uri` is stored; ascending by object, then by place."""
    text = uri_of_path(uri)
    if text.endswith(_SUFFIX):
        return _all_of(stores, [text], operation)
    if text.endswith(".json"):
        return _by_index(stores, text, operation)
    folder = text if text.endswith("/") else text + "/"
    names = stores.names_in(folder, operation)
    indexes = [name for name in names if name.endswith(INDEX_SUFFIX)]
    if len(indexes) > 1:
        message = f"there are {len(indexes)} indexes ({', '.join(indexes)}); give the URI of one"
        raise CheckpointError(message, operation=operation, uri=folder)
    if indexes:
        return _by_index(stores, folder + indexes[0], operation)
    objects = [name for name in names if name.endswith(_SUFFIX)]
    if not objects:
        message = f"no {_SUFFIX} object and no index lies directly below; found {len(names)} other names"
        raise CheckpointError(message, operation=operation, uri=folder)
    if SINGLE in objects:
        objects = [SINGLE]
    if shards := [name for name in objects if _SHARD.search(name)]:
        message = f"{shards[0]} and others are parts of weights whose index is missing; was the save cut off?"
        raise CheckpointError(message, operation=operation, uri=folder)
    return _all_of(stores, [folder + name for name in objects], operation)


def _all_of(stores: Stores, uris: list[str], operation: str) -> Found:
    """Every tensor of the objects; none may hold a name of another."""
    found: Found = {}
    for source, header in _opened(stores, uris, operation):
        for name, info in header.tensors.items():
            if name in found:
                message = (
                    f'both {found[name][0].uri} and this hold the tensor "{name}"; an index would say which counts'
                )
                raise CheckpointError(message, operation=operation, uri=source.uri)
            found[name] = source, info
    return found


def _by_index(stores: Stores, uri: str, operation: str) -> Found:
    """What the index names, each from the object it names."""
    weight_map = _weight_map(stores, uri, operation)
    folder = uri[: uri.rindex("/") + 1]
    files = sorted(set(weight_map.values()))
    found: Found = {}
    for file, (source, header) in zip(
        files, _opened(stores, [folder + file for file in files], operation), strict=True
    ):
        found.update((name, (source, info)) for name, info in header.tensors.items() if weight_map.get(name) == file)
    if absent := sorted(set(weight_map) - set(found)):
        message = f'the index says that {weight_map[absent[0]]} holds the tensor "{absent[0]}", and it does not'
        raise CheckpointError(f"{message} ({len(absent)} such)", operation=operation, uri=uri)
    return found


def _opened(stores: Stores, uris: list[str], operation: str) -> list[tuple[Generation, SafetensorsHeader]]:
    return open_safetensors([stores.at(uri, operation) for uri in uris], _HEADS_IN_FLIGHT)


def _weight_map(stores: Stores, uri: str, operation: str) -> dict[str, str]:
    store, key = stores.at(uri, operation)
    try:
        weight_map = json.loads(bytes(store.get(key)).decode())["weight_map"]
        if not isinstance(weight_map, dict) or not weight_map:
            raise TypeError("weight_map is no filled object")
        for file in weight_map.values():
            # Names of neighbours: an index must not lead the reader elsewhere.
            if not isinstance(file, str) or not file.endswith(_SUFFIX) or "/" in file:
                raise TypeError(f"{file!r} is no name of a {_SUFFIX} object beside it")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(f"the index cannot be read: {error!r}", operation=operation, uri=uri) from error
    return weight_map
