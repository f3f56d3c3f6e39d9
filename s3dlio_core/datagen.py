"""Generated object contents for benchmarks and tests: exact in size, repeatable, as compressible as asked.

The bytes of an object follow from `seed`, `index`, `size`, `dedup`, `compress` and `block_size` alone: the same on
every machine, in one call or in chunks. One core writes more than 10 GB/s.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from s3dlio_core import _ext
from s3dlio_core._ext import Buffer

__all__ = ["DEFAULT_BLOCK_SIZE", "Generator", "generate_data", "generate_into"]

DEFAULT_BLOCK_SIZE = 4096


class Generator:
    """The contents of one object, handed out front to back or from any offset.

    Args:
        size: Bytes of the object, exact.
        seed: Names a data set; None draws one, told by `.seed`.
        index: The object's number in the data set. Objects of one seed differ from each other.
        dedup: D. Of n blocks round(n / D) are unique (at least one), equal ones as far apart as the object allows.
        compress: C. zstd shrinks unique blocks C : 1 (within 5 % up to 20 : 1, to 100 : 1 for objects of 64 KiB and
            more); zeros are spread through each block. 1 is incompressible.
        block_size: Bytes that `dedup` counts as one block, 512 to 64 Mi.
    Raises:
        InvalidArgumentError: A ratio below 1 or not finite, a block size out of bounds.
        ValueError: A negative size or index, a seed outside [0, 2**64).
    """

    def __init__(
        self,
        size: int,
        *,
        seed: int | None = None,
        index: int = 0,
        dedup: float = 1,
        compress: float = 1,
        block_size: int = DEFAULT_BLOCK_SIZE,
    ) -> None:
        self.seed = int.from_bytes(os.urandom(8)) if seed is None else seed
        for name, value in {"size": size, "seed": self.seed, "index": index, "block_size": block_size}.items():
            if not 0 <= value < 2**64:
                raise ValueError(f"{name} is {value}; expected an integer in [0, 2**64)")
        self._engine = _ext.DataGenerator(
            size=size,
            seed=self.seed,
            object_index=index,
            dedup=float(dedup),
            compress=float(compress),
            block_size=block_size,
        )
        self.position = 0

    @property
    def size(self) -> int:
        """Bytes of the object."""
        return self._engine.size

    @property
    def block_count(self) -> int:
        """Blocks of the object; the last may be short."""
        return self._engine.block_count

    @property
    def unique_blocks(self) -> int:
        """How many of the blocks are unique."""
        return self._engine.unique_blocks

    def fill(self, offset: int, out: Any) -> None:
        """Write bytes [offset, offset + size of out) into `out`; `position` stays. Any thread.

        Args:
            offset: First byte, from 0.
            out: Writable contiguous memory: a buffer, or a tensor on the CPU.
        Raises:
            InvalidArgumentError: The bytes reach past the object's end, or `out` cannot be written.
        """
        self._engine.fill(offset, out)

    def fill_chunk(self, out: Any) -> int:
        """Write the next bytes into the front of `out` and advance.

        Returns:
            Bytes written: the size of `out`, less at the object's end, 0 after it.
        Raises:
            TypeError: `out` holds no memory.
            InvalidArgumentError: `out` is read-only, not contiguous or on an accelerator.
        """
        count = min(_ext.memory_size(out, "out"), self.size - self.position)
        if count:
            self._engine.fill(self.position, _ext.window(out, count))
        self.position += count
        return count

    def chunks(self, chunk_size: int) -> Iterator[Buffer]:
        """What is left of the object in pieces of `chunk_size` bytes, the last one shorter.

        Raises:
            ValueError: `chunk_size < 1`.
        """
        if chunk_size < 1:
            raise ValueError(f"chunk_size is {chunk_size}; expected at least 1 byte")
        while self.position < self.size:
            chunk = _ext.allocate(min(chunk_size, self.size - self.position))
            self.fill_chunk(chunk)
            yield chunk


def generate_data(
    size: int,
    *,
    seed: int | None = None,
    index: int = 0,
    dedup: float = 1,
    compress: float = 1,
    block_size: int = DEFAULT_BLOCK_SIZE,
) -> Buffer:
    """A whole object in memory from the engine's pool; arguments and errors are those of `Generator`.

    Returns:
        Buffer of `size` bytes.
    """
    generator = Generator(size, seed=seed, index=index, dedup=dedup, compress=compress, block_size=block_size)
    buffer = _ext.allocate(size)
    generator.fill(0, buffer)
    return buffer


def generate_into(
    out: Any,
    *,
    seed: int | None = None,
    index: int = 0,
    dedup: float = 1,
    compress: float = 1,
    block_size: int = DEFAULT_BLOCK_SIZE,
) -> int:
    """Fill all of `out` with an object of its size; arguments and errors as for `Generator`.

    Args:
        out: Writable contiguous memory: a buffer, or a tensor on the CPU, of any dtype.
    Returns:
        Bytes written.
    """
    size = _ext.memory_size(out, "out")
    generator = Generator(size, seed=seed, index=index, dedup=dedup, compress=compress, block_size=block_size)
    generator.fill(0, out)
    return size
