"""Who reads what: positions to ranks in turn, blocks of a rank's positions to its workers in turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Layout", "Share"]


@dataclass(frozen=True, slots=True)
class Layout:
    """One consumer among all of them.

    Attributes:
        rank: In [0, world_size).
        world_size: Training processes.
        worker: In [0, workers).
        workers: Loader processes of this rank; 1 where the rank reads for itself.
        block: Samples a worker takes before it is the next one's turn: the batch size. With it the rank's order does
            not depend on the number of workers.
    """

    rank: int = 0
    world_size: int = 1
    worker: int = 0
    workers: int = 1
    block: int = 1

    def __post_init__(self) -> None:
        for name, value, count in (
            ("rank", self.rank, self.world_size),
            ("worker", self.worker, self.workers),
        ):
            if not 0 <= value < count:
                raise ValueError(f"{name} {value} is outside [0, {count})")
        if self.block < 1:
            raise ValueError(f"block is {self.block}; expected at least 1")


@dataclass(frozen=True, slots=True)
class Share:
    """What one consumer reads of a sequence of `total` positions: a sequence of positions, computed.

    Every position belongs to exactly one consumer, and ranks differ by one at most. Two ways to make ranks even:

    Attributes:
        drop_last: Leave out the tail, so that all ranks get the same number of positions: whole blocks where the block
            is larger than 1.
        wrap: Repeat positions from the start, at most one a rank.
    """

    layout: Layout
    total: int
    drop_last: bool = False
    wrap: bool = False

    def __post_init__(self) -> None:
        if self.drop_last and self.wrap:
            raise ValueError("drop_last and wrap are two ways to make ranks even; expected one of them at most")

    @property
    def of_rank(self) -> int:
        """Positions of the whole rank, over all its workers."""
        layout = self.layout
        if self.drop_last:
            return self.total // layout.world_size // layout.block * layout.block
        if self.wrap:
            return -(-self.total // layout.world_size)
        return max(0, -(-(self.total - layout.rank) // layout.world_size))

    def __len__(self) -> int:
        layout = self.layout
        whole, rest = divmod(self.of_rank, layout.block)
        blocks = max(0, -(-(whole - layout.worker) // layout.workers))
        return blocks * layout.block + (rest if whole % layout.workers == layout.worker else 0)

    def __getitem__(self, index: int) -> int:
        """The position at `index`, from 0; no check of the upper end."""
        position = self._unwrapped(index)
        return position if position < self.total else position % self.total

    def runs(self, count: int) -> Iterator[tuple[int, int, int]]:
        """The first `count` positions as (start, count, step), each of them below `total`."""
        layout = self.layout
        if count and self[count - 1] != self._unwrapped(count - 1):
            yield self[count - 1], 1, 1
            count -= 1
        if layout.workers == 1 or layout.block == 1:
            if count:
                yield self[0], count, layout.world_size * (layout.workers if layout.block == 1 else 1)
            return
        for first in range(0, count, layout.block):
            yield self[first], min(layout.block, count - first), layout.world_size

    def _unwrapped(self, index: int) -> int:
        layout = self.layout
        turn, offset = divmod(index, layout.block)
        return layout.rank + layout.world_size * ((turn * layout.workers + layout.worker) * layout.block + offset)
