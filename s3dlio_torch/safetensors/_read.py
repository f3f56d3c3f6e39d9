"""load_file and safe_open: tensors of one safetensors object."""

from __future__ import annotations

import os
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

import torch

from s3dlio_core import Tuning
from s3dlio_core.errors import InvalidArgumentError
from s3dlio_core.formats.safetensors_header import SafetensorsHeader, TensorInfo
from s3dlio_core.weights.generation import Generation
from s3dlio_core.weights.safetensors import open_safetensors
from s3dlio_torch._fill_tensors import TensorItem, fill_tensors
from s3dlio_torch._memory import fresh
from s3dlio_torch._stores import Stores
from s3dlio_torch.safetensors._dtypes import torch_layout
from s3dlio_torch.safetensors._slice import TensorSlice

__all__ = ["allocate", "load_file", "one_place", "safe_open", "safetensors_items"]

Device = str | int | torch.device


def load_file(
    uri: str | os.PathLike[str] | None = None,
    device: Device = "cpu",
    *,
    filename: str | os.PathLike[str] | None = None,
    names: Iterable[str] | None = None,
    tuning: Tuning | None = None,
    **store_options: Any,
) -> dict[str, torch.Tensor]:
    """Read a safetensors object; the bytes go from the socket or the disk into the tensors, many parts at once.

    Args:
        uri: Of the object, e.g. "s3://models/llama/model.safetensors"; or a local path.
        filename: The same, under the name the format's own library gives it.
        device: Where the tensors are to lie. For an accelerator they pass through 64 MiB of pinned memory.
        names: Only these tensors; nothing else is read.
        store_options: As open_store() takes them: endpoint_url, region, profile, ...
    Returns:
        The tensors by name, in the order they are stored in; each has memory of its own.
    Raises:
        RecordError: It is no safetensors object, was cut short, or contradicts itself.
        KeyError: One of `names` is not in it.
        UnsupportedOperationError: A type this torch does not have.
    """
    with Stores(tuning, store_options) as stores:
        ((source, header),) = open_safetensors([stores.at(one_place(uri, filename), "load_file")], 1)
        tensors = allocate(source, _chosen(header, names, source.uri), torch.device(device))
        fill_tensors(safetensors_items(source, header, tensors))
        return tensors


def one_place(uri: str | os.PathLike[str] | None, filename: str | os.PathLike[str] | None) -> str | os.PathLike[str]:
    """The one of two names for one argument that was given.

    Raises:
        TypeError: None or both.
    """
    given = filename if uri is None else uri
    if given is None or (uri is not None and filename is not None):
        raise TypeError("expected a URI or a path, as uri or as filename, once")
    return given


def allocate(source: Generation, infos: Iterable[TensorInfo], device: torch.device) -> dict[str, torch.Tensor]:
    """A tensor of unspecified contents for each of `infos`."""
    tensors = {}
    for info in infos:
        dtype, shape = torch_layout(info, source.uri)
        tensors[info.name] = fresh(shape, dtype, device)
    return tensors


def safetensors_items(
    source: Generation, header: SafetensorsHeader, targets: dict[str, torch.Tensor]
) -> Iterable[TensorItem]:
    """What fills `targets` (by name, of the stored shapes) from `source`, in the order of the object's bytes."""
    for info in header.tensors.values():
        if info.name in targets:
            dtype, _ = torch_layout(info, source.uri)
            yield TensorItem(source, info.start, info.end, dtype, targets[info.name])


def _chosen(header: SafetensorsHeader, names: Iterable[str] | None, uri: str) -> list[TensorInfo]:
    if names is None:
        return list(header.tensors.values())
    wanted = set(names)
    for name in wanted:
        _info(header, name, uri)
    return [info for info in header.tensors.values() if info.name in wanted]


def _info(header: SafetensorsHeader, name: str, uri: str) -> TensorInfo:
    info = header.tensors.get(name)
    if info is None:
        raise KeyError(f'{uri} holds no tensor "{name}"; it has {len(header.tensors)}, see keys()')
    return info


class safe_open:  # noqa: N801 - the name the format's own library gives it
    """One safetensors object, opened to read some of its tensors, or parts of them. A context manager.

    Args:
        uri: Of the object; or a local path.
        framework: "pt" (or "torch"): tensors are torch's.
        filename: The same as `uri`, under the name the format's own library gives it.
        device: Where they are to lie.
        store_options: As open_store() takes them.
    Raises:
        RecordError: It is no safetensors object, was cut short, or contradicts itself.
    """

    def __init__(
        self,
        uri: str | os.PathLike[str] | None = None,
        framework: str = "pt",
        device: Device = "cpu",
        *,
        filename: str | os.PathLike[str] | None = None,
        tuning: Tuning | None = None,
        **store_options: Any,
    ) -> None:
        place = one_place(uri, filename)
        if framework not in ("pt", "torch", "pytorch"):
            message = f'framework is "{framework}"; expected "pt": this package makes torch tensors'
            raise InvalidArgumentError(message, operation="safe_open", uri=os.fspath(place))
        self._device = torch.device(device)
        self._stores = Stores(tuning, store_options)
        self._is_open = True
        try:
            ((self._source, self._header),) = open_safetensors([self._stores.at(place, "safe_open")], 1)
        except BaseException:
            self.close()
            raise

    def keys(self) -> list[str]:
        """The tensors' names, sorted."""
        self._check_open()
        return sorted(self._header.tensors)

    def offset_keys(self) -> list[str]:
        """The tensors' names in the order they are stored in."""
        self._check_open()
        return list(self._header.tensors)

    def metadata(self) -> dict[str, str] | None:
        """The writer's own words; None where it left none, {} where it left an empty place for them."""
        self._check_open()
        return None if self._header.metadata is None else dict(self._header.metadata)

    def get_tensor(self, name: str) -> torch.Tensor:
        """Read one tensor.

        Raises:
            KeyError: There is no such tensor.
        """
        info = _info(self._header, name, self._source.uri)
        self._check_open()
        tensors = allocate(self._source, [info], self._device)
        fill_tensors(safetensors_items(self._source, self._header, tensors))
        return tensors[name]

    def get_tensors(self) -> dict[str, torch.Tensor]:
        """Read all tensors, many parts at once; by name, in the order they are stored in.

        Raises:
            InvalidArgumentError: This was closed.
            StorageError: The object cannot be read, or was replaced since it was opened.
        """
        self._check_open()
        tensors = allocate(self._source, self._header.tensors.values(), self._device)
        fill_tensors(safetensors_items(self._source, self._header, tensors))
        return tensors

    def get_slice(self, name: str) -> TensorSlice:
        """A tensor to be indexed: only what an index selects is read.

        Raises:
            KeyError: There is no such tensor.
        """
        self._check_open()
        return TensorSlice(self._source, _info(self._header, name, self._source.uri), self._device)

    def close(self) -> None:
        """Let go of the store. Harmless when closed."""
        self._is_open = False
        self._stores.close()

    def __contains__(self, name: object) -> bool:
        return name in self._header.tensors

    def __len__(self) -> int:
        return len(self._header.tensors)

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"safe_open({self._source.uri!r}, {len(self)} tensors{'' if self._is_open else ', closed'})"

    def _check_open(self) -> None:
        if not self._is_open:
            raise InvalidArgumentError("it is closed", operation="safe_open", uri=self._source.uri)
