"""Part of a stored tensor: which bytes an index needs, and how they become the part."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from s3dlio_core.formats.safetensors_header import TensorInfo
from s3dlio_core.weights.fill import Fill, bytes_of, fill_many
from s3dlio_core.weights.generation import Generation
from s3dlio_torch._fill_tensors import TensorItem, fill_tensors, flat_bytes
from s3dlio_torch._memory import fresh
from s3dlio_torch.safetensors._dtypes import torch_layout

__all__ = ["TensorSlice"]

_CALLS_IN_FLIGHT = 8
_CALL_RANGES = 4096
# Runs shorter than this, in rows no longer than that, are not worth a range each: the rows are read whole, in pieces.
_SHORT_RUN = 512
_SHORT_ROW = 64 << 10
_PIECE_BYTES = 8 << 20


class TensorSlice:
    """A stored tensor that is read by indexing: `part = f.get_slice("weight")[128:256, :64]`.

    An index holds integers, slices (of positive step), at most one `...` and at most one list of integers; negative
    positions count from the end, and slices are cut to the tensor, as in torch. Whatever lies far enough outside the
    selection is not read; what lies nearer than the store's `coalesce_gap` to it may be received and thrown away.
    """

    def __init__(self, source: Generation, info: TensorInfo, device: torch.device) -> None:
        self._source = source
        self._info = info
        self._device = device
        self._dtype, self._shape = torch_layout(info, source.uri)

    def get_shape(self) -> list[int]:
        """Extents of the whole tensor."""
        return list(self._shape)

    def get_dtype(self) -> str:
        """As the format spells it: "F32", "BF16", ..."""
        return self._info.dtype

    def __getitem__(self, index: Any) -> torch.Tensor:
        """The selected part, with memory of its own.

        Raises:
            IndexError: Too many indices, or a position outside the tensor.
            TypeError: An index of another kind.
        """
        indices = list(index) if isinstance(index, tuple) else [index]
        lists = [number for number, each in enumerate(indices) if isinstance(each, list)]
        if lists:
            return self._listed(indices, lists)
        chosen, kept = _selection(index, self._shape)
        shape = [len(each) for each in chosen]
        if math.prod(shape) and math.prod(shape[: _outer(chosen, self._shape)[0]]) == 1:
            part = fresh(shape, self._dtype, self._device)
            ((start, end),) = self._runs(chosen)
            fill_tensors([TensorItem(self._source, start, end, self._dtype, part)])
        else:
            part = fresh(shape, self._dtype)
            if part.numel():
                fill_many(self._fills(chosen, part), _CALLS_IN_FLIGHT)
            part = part.to(self._device)
        return part.view([extent for extent, keep in zip(shape, kept, strict=True) if keep])

    def _listed(self, indices: list[Any], lists: list[int]) -> torch.Tensor:
        """The positions of a list, those in a row as one slice."""
        if len(lists) > 1:
            raise TypeError("an index can have only one list")
        at = lists[0]
        positions = indices[at]
        # The list's axis: what stands before it, or what is left behind it.
        behind_dots = Ellipsis in indices[:at]
        axis = len(self._shape) - (len(indices) - at) if behind_dots else at
        if not 0 <= axis < len(self._shape):
            raise IndexError(f"{len(indices)} indices for a tensor of {len(self._shape)} dimensions")
        extent = self._shape[axis]
        found = [_axis_selection(position, extent, axis).start for position in positions]
        runs = [slice(0, 0)] if not found else []
        for position in found:
            if runs and runs[-1].stop == position:
                runs[-1] = slice(runs[-1].start, position + 1)
            else:
                runs.append(slice(position, position + 1))
        parts = [self[(*indices[:at], run, *indices[at + 1 :])] for run in runs]
        dropped = sum(not isinstance(each, slice) and each is not Ellipsis for each in indices[:at])
        return parts[0] if len(parts) == 1 else torch.cat(parts, axis - dropped)

    def _fills(self, chosen: Sequence[range], part: torch.Tensor) -> Iterator[Fill]:
        covering = _covering(chosen, self._shape, self._dtype.itemsize)
        if covering == list(chosen):
            yield from self._fill_runs(covering, part)
            return
        for inner, view in _halved(list(chosen), part, self._shape, self._dtype.itemsize):
            yield self._fill_through_rows(inner, view)

    def _fill_runs(self, chosen: Sequence[range], part: torch.Tensor) -> Iterator[Fill]:
        """Every run straight into its place in `part`."""
        memory = bytes_of(flat_bytes(part), part.nbytes)
        runs = self._runs(chosen)
        offset = 0
        while call := list(itertools.islice(runs, _CALL_RANGES)):
            targets = []
            for start, end in call:
                targets.append(memory[offset : offset + end - start])
                offset += end - start
            yield Fill(self._source, call, targets)

    def _fill_through_rows(self, chosen: list[range], part: torch.Tensor) -> Fill:
        """Whole rows into memory of their own, and from there what is chosen into `part`."""
        covering = _covering(chosen, self._shape, self._dtype.itemsize)
        rows = fresh([len(each) for each in covering], self._dtype)
        memory = bytes_of(flat_bytes(rows), rows.nbytes)
        runs = list(self._runs(covering))
        ends = list(itertools.accumulate(end - start for start, end in runs))
        targets = [memory[end - (run[1] - run[0]) : end] for run, end in zip(runs, ends, strict=True)]
        inside = tuple(
            slice(None) if each == whole else slice(each[0] - whole[0], each[-1] - whole[0] + 1, each.step)
            for whole, each in zip(covering, chosen, strict=True)
        )

        def pick() -> None:
            picked = rows.view(_bits(rows))[inside]
            assert picked.shape == part.shape  # copy_ would broadcast
            part.view(_bits(part)).copy_(picked)

        return Fill(self._source, runs, targets, pick)

    def _runs(self, chosen: Sequence[range]) -> Iterator[tuple[int, int]]:
        """[start, end) of each run of bytes, in the order of the selected elements."""
        item = self._dtype.itemsize
        strides = [math.prod(self._shape[axis + 1 :]) for axis in range(len(self._shape))]
        outer, count = _outer(chosen, self._shape)
        size = count * item
        first = sum(each.start * stride for each, stride in zip(chosen[outer:], strides[outer:], strict=True))
        for position in itertools.product(*chosen[:outer]):
            element = first + sum(p * s for p, s in zip(position, strides[:outer], strict=True))
            start = self._info.start + element * item
            yield start, start + size


def _selection(index: Any, shape: Sequence[int]) -> tuple[list[range], list[bool]]:
    """What is selected of each axis, and whether the axis stays."""
    indices = list(index) if isinstance(index, tuple) else [index]
    dots = sum(each is Ellipsis for each in indices)
    if dots > 1:
        raise IndexError("an index can have only one '...'")
    if len(indices) - dots > len(shape):
        raise IndexError(f"{len(indices) - dots} indices for a tensor of {len(shape)} dimensions")
    missing = [slice(None)] * (len(shape) - len(indices) + dots)
    at = next((number for number, each in enumerate(indices) if each is Ellipsis), len(indices))
    indices[at : at + dots] = missing
    chosen, kept = [], []
    for axis, (each, extent) in enumerate(zip(indices, shape, strict=True)):
        chosen.append(_axis_selection(each, extent, axis))
        kept.append(isinstance(each, slice))
    return chosen, kept


def _axis_selection(index: Any, extent: int, axis: int) -> range:
    if isinstance(index, slice):
        if index.step is not None and index.step < 1:
            raise IndexError(f"the step at dimension {axis} is {index.step}; expected 1 or more")
        return range(*index.indices(extent))
    if isinstance(index, bool) or not hasattr(index, "__index__"):
        raise TypeError(f"the index at dimension {axis} is {index!r}; expected an integer, a slice or '...'")
    position = index.__index__()
    if not -extent <= position < extent:
        raise IndexError(f"position {position} at dimension {axis} lies outside its extent {extent}")
    return range(position % extent, position % extent + 1)


def _outer(chosen: Sequence[range], shape: Sequence[int]) -> tuple[int, int]:
    """How many leading axes are walked position by position, and how many elements in a row belong to each."""
    count = 1
    for axis in reversed(range(len(shape))):
        each = chosen[axis]
        if each.step != 1 and len(each) > 1:
            return axis + 1, count
        count *= len(each)
        if len(each) != shape[axis]:
            return axis, count
    return 0, count


def _covering(chosen: Sequence[range], shape: Sequence[int], item: int) -> list[range]:
    """`chosen`, widened inwards where that turns many short runs into few longer ones and reads little besides."""
    covering = list(chosen)
    while True:
        outer, count = _outer(covering, shape)
        walked = math.prod(len(each) for each in covering[:outer])
        if walked == 1 or count * item >= _SHORT_RUN:
            return covering
        # What ends a run: steps over the last axis that is walked, or an axis behind it that is selected in part.
        is_part = outer < len(shape) and len(covering[outer]) != shape[outer]
        axis = outer if is_part else outer - 1
        stride = math.prod(shape[axis + 1 :]) * item
        each = covering[axis]
        if (shape[axis] if is_part else each.step) * stride > _SHORT_ROW:
            return covering
        covering[axis] = range(shape[axis]) if is_part else range(each[0], each[-1] + 1)


def _halved(
    chosen: list[range], part: torch.Tensor, shape: Sequence[int], item: int
) -> Iterator[tuple[list[range], torch.Tensor]]:
    """`chosen` and `part` cut along the outer axes until what is read at once is small."""
    covering = _covering(chosen, shape, item)
    axis = next((number for number, each in enumerate(chosen) if len(each) > 1), None)
    if axis is None or math.prod(len(each) for each in covering) * item <= _PIECE_BYTES:
        yield chosen, part
        return
    middle = len(chosen[axis]) // 2
    for first, last in ((0, middle), (middle, len(chosen[axis]))):
        half = [*chosen[:axis], chosen[axis][first:last], *chosen[axis + 1 :]]
        yield from _halved(half, part.narrow(axis, first, last - first), shape, item)


def _bits(tensor: torch.Tensor) -> torch.dtype:
    """An integer type of the same width: copying needs no arithmetic, and some types have none."""
    widths = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    return widths[tensor.dtype.itemsize]
