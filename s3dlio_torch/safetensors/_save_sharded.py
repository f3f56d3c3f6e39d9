"""save_sharded: weights into several safetensors objects with an index, as Hugging Face lays them out."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Any

import torch

from s3dlio_core import Tuning
from s3dlio_core.errors import InvalidArgumentError, ObjectExistsError, ObjectNotFoundError
from s3dlio_core.uri import uri_of_path
from s3dlio_torch._stores import Stores
from s3dlio_torch.safetensors._folder import INDEX_SUFFIX, SINGLE
from s3dlio_torch.safetensors._save import check_kinds, check_tensors, without_copies, write_file

__all__ = ["save_sharded"]

INDEX = "model" + INDEX_SUFFIX
_SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")


def save_sharded(
    tensors: Mapping[str, torch.Tensor],
    uri: str | os.PathLike[str],
    *,
    max_shard_bytes: int = 5 << 30,
    metadata: Mapping[str, str] | None = None,
    overwrite: bool = False,
    tuning: Tuning | None = None,
    **store_options: Any,
) -> list[str]:
    """Write weights as model-00001-of-0000N.safetensors with their index, or as one model.safetensors if they fit.

    The index is written last: without it there are no weights, so a save that is cut off is not mistaken for one.

    Args:
        tensors: As in save_file(); of those that are one and the same (tied weights) the one whose name comes first is
            stored, and the metadata of its object says which names stand for it. load_into() fills them all.
        uri: The folder.
        max_shard_bytes: Of tensors in one object; a tensor larger than this has an object of its own.
        metadata: Of each object, beside {"format": "pt"}.
        overwrite: Replace the weights that are there. Their index goes first and their other objects last, so readers
            meanwhile find none rather than a mixture.
    Returns:
        The names written, in their order.
    Raises:
        ObjectExistsError: There are weights, and `overwrite` is not set.
        InvalidArgumentError, SharedTensorsError, UnsupportedOperationError: As save_file().
    """
    folder = uri_of_path(uri)
    folder = folder if folder.endswith("/") else folder + "/"
    if max_shard_bytes < 1:
        message = f"max_shard_bytes is {max_shard_bytes}; expected at least 1"
        raise InvalidArgumentError(message, operation="save_sharded", uri=folder)
    check_kinds(tensors, folder)
    tensors, left_out = without_copies(tensors)
    check_tensors(tensors, folder)
    shards = _shards(tensors, max_shard_bytes)
    words = {"format": "pt", **(metadata or {})}
    with Stores(tuning, store_options) as stores:
        store, key = stores.at(folder + INDEX, "save_sharded")
        prefix = key[: -len(INDEX)]
        there = [name for name in _names_in(stores, folder) if name in (INDEX, SINGLE) or _SHARD.fullmatch(name)]
        if there and not overwrite:
            message = f"{there[0]} is there already; pass overwrite=True to replace the weights"
            raise ObjectExistsError(message, operation="save_sharded", uri=folder)
        # What makes weights of the others goes first, and is gone before the first of them changes. A single object
        # that replaces a single one needs none of this.
        leading = (INDEX, SINGLE) if len(shards) > 1 else (INDEX,)
        store.delete([prefix + name for name in there if name in leading])
        for name, shard in shards.items():
            tied = {other: kept for other, kept in left_out.items() if kept in shard}
            write_file(store, prefix + name, shard, {**words, **tied})
        written = list(shards)
        if len(shards) > 1:
            store.put(key, _index(shards), if_none_match=not overwrite)
            written.append(INDEX)
        store.delete([prefix + name for name in there if name not in written])
        return written


def _names_in(stores: Stores, folder: str) -> list[str]:
    try:
        return stores.names_in(folder, "save_sharded")
    except ObjectNotFoundError:  # a folder on a disk, made by the first write
        return []


def _shards(tensors: Mapping[str, torch.Tensor], limit: int) -> dict[str, dict[str, torch.Tensor]]:
    """Tensors in their order, as many to an object as fit; by the object's name."""
    shards: list[dict[str, torch.Tensor]] = [{}]
    size = 0
    for name, tensor in tensors.items():
        if shards[-1] and size + tensor.nbytes > limit:
            shards.append({})
            size = 0
        shards[-1][name] = tensor
        size += tensor.nbytes
    if len(shards) == 1:
        return {SINGLE: shards[0]}
    return {f"model-{number:05}-of-{len(shards):05}.safetensors": shard for number, shard in enumerate(shards, 1)}


def _index(shards: Mapping[str, Mapping[str, torch.Tensor]]) -> bytes:
    weight_map = {name: file for file, shard in shards.items() for name in shard}
    total = sum(tensor.nbytes for shard in shards.values() for tensor in shard.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    return (json.dumps(index, indent=2, sort_keys=True) + "\n").encode()
