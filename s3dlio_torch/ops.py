"""torch.ops.s3dlio: reads as torch ops, in C++ on torch's stable ABI, for torch.compile, exported graphs, the profiler.

The ops name a store by a number, handle_of(store), for an op's arguments are numbers, strings and tensors. The
functions here take the store itself, and raise the classes of s3dlio_core.errors where the bare ops raise RuntimeError
with the same text. docs/torch_ops.md has the schemas.
"""

from __future__ import annotations

import importlib.util
import os
import weakref
from collections.abc import Sequence
from typing import Any

import torch

from s3dlio_core import Store, _ext
from s3dlio_core.errors import InvalidArgumentError

__all__ = ["handle_of", "read_file_direct", "read_into", "read_ranges"]

_torch: Any = torch  # what of it carries no types


def _load() -> None:
    spec = importlib.util.find_spec("s3dlio_torch._ops")
    if spec is None or spec.origin is None:
        raise ImportError(
            "s3dlio_torch.ops needs s3dlio_torch/_ops.so, which this installation was built without, for there was no "
            "torch then. Install s3dlio-torch again from its sources, by the pip of this environment: pip install "
            f"--force-reinstall --no-deps . (where that finds no torch: S3DLIO_TORCH={os.path.dirname(torch.__file__)})"
        )
    _torch.ops.load_library(spec.origin)


_load()

# ---- what torch knows of the ops beside their kernels ----

_library = _torch.library.Library("s3dlio", "IMPL")


def _fake_read_ranges(
    store: int, key: str, starts: Sequence[int], ends: Sequence[int], pin_memory: bool = False
) -> torch.Tensor:
    _torch._check(len(starts) == len(ends))
    return torch.empty(sum(ends) - sum(starts), dtype=torch.uint8, device="cpu")


def _fake_read_into(store: int, key: str, out: torch.Tensor, offset: int = 0) -> None:
    return None


def _fake_read_file_direct(path: str, out: torch.Tensor, offset: int = 0) -> None:
    return None


torch.library.register_fake("s3dlio::read_ranges", _fake_read_ranges)
torch.library.register_fake("s3dlio::read_into", _fake_read_into)
torch.library.register_fake("s3dlio::read_file_direct", _fake_read_file_direct)


def _bump_version_of_out(name: str, out_index: int) -> None:
    """Make autograd see that the op writes to `out`, as torch does for its own in-place ops."""
    op = getattr(torch.ops.s3dlio, name).default

    def kernel(keyset: Any, *args: Any) -> None:
        out = args[out_index]
        if out.requires_grad and torch.is_grad_enabled():
            raise InvalidArgumentError("out requires grad; read under torch.no_grad()", operation=name)
        torch.autograd.graph.increment_version(out)
        # What the op does inside, such as copying a part of `out` to an accelerator, must not count again.
        with _torch._C._AutoDispatchBelowADInplaceOrView():
            op.redispatch(keyset & _torch._C._after_ADInplaceOrView_keyset, *args)

    _library.impl(name, kernel, "ADInplaceOrView", with_keyset=True)


_bump_version_of_out("read_into", 2)
_bump_version_of_out("read_file_direct", 1)

# ---- stores as numbers ----

_handles: weakref.WeakKeyDictionary[Store, tuple[int, int]] = weakref.WeakKeyDictionary()


def handle_of(store: Store) -> int:
    """The number that names `store` to the ops, in this process, for as long as the Store object lives.

    Ask for it outside of compiled code. A forked child must ask anew.

    Raises:
        ClosedError: The store is closed.
    """
    native = store._native()
    generation = _ext.fork_generation()
    known = _handles.get(store)
    if known is not None and known[1] == generation:
        return known[0]
    handle = native.register_handle()
    weakref.finalize(store, _ext.forget_handle, handle).atexit = False
    _handles[store] = (handle, generation)
    return handle


def _raise_typed(error: RuntimeError) -> None:
    """Raise the whole of what came through torch as text.

    The engine remembers the last error of this thread, which may be an older one, of a bare op that somebody caught:
    only the one whose text this is counts.
    """
    typed = _ext.take_last_error()
    if typed is None or f"{typed.operation} {typed.uri}: {typed.message}" not in str(error):
        raise error
    raise typed from None


# ---- the ops, for stores and with typed errors ----


def read_ranges(
    store: Store | int, key: str, ranges: Sequence[tuple[int, int]], *, pin_memory: bool = False
) -> list[torch.Tensor]:
    """Read ranges of one object into one new tensor; near ones share a request.

    Args:
        store: A Store, or its handle_of().
        ranges: (start, end) of each, in bytes, end exclusive; in any order, and they may overlap.
        pin_memory: Page-locked memory where there is an accelerator to copy it to; ignored elsewhere.
    Returns:
        For each range a uint8 tensor of shape [end - start] on the CPU: views of one slab, side by side.
    Raises:
        RangeNotSatisfiableError: A range starts or ends past the object's end.
        StorageError: As Store.get_ranges().
    """
    starts, ends = [start for start, _ in ranges], [end for _, end in ranges]
    pinned = pin_memory and torch.accelerator.is_available()
    try:
        slab = torch.ops.s3dlio.read_ranges(_number(store), key, starts, ends, pinned)
    except RuntimeError as error:
        _raise_typed(error)
        raise
    return list(slab.split([end - start for start, end in zip(starts, ends, strict=True)]))


def read_into(store: Store | int, key: str, out: torch.Tensor, *, offset: int = 0) -> torch.Tensor:
    """Fill all of `out` with an object's bytes from `offset` on.

    Args:
        store: A Store, or its handle_of().
        out: Contiguous, of any dtype and shape. On the CPU the bytes arrive in its own memory. On an accelerator they
            pass through pinned memory in chunks, read and copied side by side; the copies are on the current stream,
            and what follows on that stream sees them.
        offset: First byte of the object, from 0.
    Returns:
        `out`.
    Raises:
        RangeNotSatisfiableError: The object ends before `out` is full.
        InvalidArgumentError: `out` is not contiguous, or requires grad outside of no_grad.
        StorageError: As Store.get_into(). What `out` holds then is unspecified.
    """
    try:
        torch.ops.s3dlio.read_into(_number(store), key, out, offset)
    except RuntimeError as error:
        _raise_typed(error)
        raise
    return out


def read_file_direct(path: str, out: torch.Tensor, *, offset: int = 0) -> torch.Tensor:
    """As read_into(), from a local file, past the page cache (O_DIRECT) where the file system takes that."""
    try:
        torch.ops.s3dlio.read_file_direct(path, out, offset)
    except RuntimeError as error:
        _raise_typed(error)
        raise
    return out


def _number(store: Store | int) -> int:
    return store if isinstance(store, int) else handle_of(store)
