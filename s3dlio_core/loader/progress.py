"""Which positions of an epoch were read, in one form for one set, and the sequence of those that were not."""

from __future__ import annotations

import operator
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

__all__ = ["Marks", "Progress", "Remaining", "Run", "stored_number"]

Run = tuple[int, int, int]  # start, count, step: start, start + step, ...

_MOST = 1 << 62  # samples of an epoch; sequences cannot be longer
_CANDIDATES = 32  # steps tried for each run
_TABLE_SPAN = 1 << 16  # positions between the frontier and the last one read that are worth a table


def stored_number(stored: Any) -> int:
    """A position or a count out of a stored state. TypeError: no integer. ValueError: none that an epoch can have."""
    found = operator.index(stored)
    if not 0 <= found <= _MOST:
        raise ValueError(f"a number in the state of a dataset is outside [0, {_MOST}]")
    return found


@dataclass(frozen=True, slots=True)
class Progress:
    """The positions of [0, total) that were read: all below `frontier`, and those of `runs` above it.

    Runs arise from samples that came out of order and from ranks or workers that are ahead of others. Made by Marks,
    two are equal exactly if the same positions were read, however the reading was divided.
    """

    total: int
    frontier: int = 0
    runs: tuple[Run, ...] = ()

    def __post_init__(self) -> None:
        sound = 0 <= self.frontier <= self.total and all(
            start > self.frontier and count >= 1 and step >= 1 and start + (count - 1) * step < self.total
            for start, count, step in self.runs
        )
        if not sound:
            raise ValueError(f"progress contradicts itself: {self}")

    @property
    def consumed(self) -> int:
        """How many positions were read."""
        return self.frontier + sum(count for _, count, _ in self.runs)

    @property
    def top(self) -> int:
        """One past the last position read."""
        return max((start + (count - 1) * step + 1 for start, count, step in self.runs), default=self.frontier)

    def remaining(self) -> Remaining:
        """The positions not read, ascending."""
        return _remaining_of(self)

    def to_dict(self) -> dict[str, Any]:
        """As plain integers and lists."""
        return {"total": self.total, "frontier": self.frontier, "runs": [list(run) for run in self.runs]}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Progress:
        """The reverse.

        Raises:
            ValueError: A field is missing, of another type, or they contradict each other.
        """
        try:
            runs = tuple(
                (stored_number(start), stored_number(count), stored_number(step))
                for start, count, step in stored["runs"]
            )
            return cls(stored_number(stored["total"]), stored_number(stored["frontier"]), runs)
        except (KeyError, TypeError) as error:
            raise ValueError(f"the state of a dataset cannot be read: {error!r}") from error


class Remaining:
    """The positions not read, ascending; indexable in O(runs) memory.

    Beyond the last position read an index costs one addition; before it, a search over the runs, or, where the stretch
    is short, a look into a table of bounded size.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._consumed = progress.consumed
        self._top = progress.top
        self._open = self._top - self._consumed  # remaining positions below top
        self._table = self._tabulated() if self._top - progress.frontier <= _TABLE_SPAN else None

    def __len__(self) -> int:
        return self._progress.total - self._consumed

    def __getitem__(self, index: int) -> int:
        """The position at `index`, from 0."""
        if not 0 <= index < len(self):
            raise IndexError(f"index {index} is outside [0, {len(self)})")
        if index >= self._open:
            return self._consumed + index
        if self._table is not None:
            return self._table[index]
        # The smallest position with `index + 1` remaining ones up to and including it.
        span = range(self._progress.frontier, self._top)
        return span[bisect_left(span, index + 1, key=lambda position: position + 1 - self._read_below(position + 1))]

    def mark_in(self, marks: Marks, run: Run) -> None:
        """Mark the positions that stand at the indices of `run`."""
        start, count, step = run
        inside = min(count, max(0, -(-(self._open - start) // step)))
        for index in range(start, start + inside * step, step):
            marks.add(self[index], 1, 1)
        if inside < count:
            marks.add(self._consumed + start + inside * step, count - inside, step)

    def _read_below(self, position: int) -> int:
        total = min(position, self._progress.frontier)
        for start, count, step in self._progress.runs:
            if start < position:
                total += min(count, -(-(position - start) // step))
        return total

    def _tabulated(self) -> array[int]:
        marks = Marks(self._progress.total, low=self._progress.frontier)
        marks.add_progress(self._progress)
        return array("Q", marks.gaps(self._top))


# All consumers' states of one moment have the same base.
_remaining_of = lru_cache(maxsize=2)(Remaining)


class Marks:
    """Collects positions read; one byte for each between `low` and the last one.

    Args:
        total: Of the epoch.
        low: Positions below it are not looked at; they count as read.
    """

    def __init__(self, total: int, *, low: int = 0) -> None:
        self._total = total
        self._low = low
        self._bytes = bytearray()

    def add(self, start: int, count: int, step: int) -> None:
        """Mark start, start + step, ..., `count` of them."""
        if start < self._low:
            skipped = min(count, -(-(self._low - start) // step))
            start, count = start + skipped * step, count - skipped
        if count <= 0:
            return
        first = start - self._low
        last = first + (count - 1) * step
        if last >= len(self._bytes):
            self._bytes.extend(bytes(last + 1 - len(self._bytes)))
        self._bytes[first : last + 1 : step] = b"\1" * count

    def add_progress(self, progress: Progress) -> None:
        """Mark everything `progress` holds."""
        self.add(0, progress.frontier, 1)
        for start, count, step in progress.runs:
            self.add(start, count, step)

    def add_each(self, positions: Iterable[int]) -> None:
        """Mark single positions."""
        for position in positions:
            self.add(position, 1, 1)

    def gaps(self, end: int) -> Iterator[int]:
        """Positions of [low, end) that are not marked, ascending."""
        found = self._bytes.find(0, 0, end - self._low)
        while found >= 0:
            yield self._low + found
            found = self._bytes.find(0, found + 1, end - self._low)

    def progress(self) -> Progress:
        """The one Progress of these positions. Takes the marks apart: call it once."""
        marks = self._bytes
        first_gap = marks.find(0)
        if first_gap < 0:
            return Progress(self._total, self._low + len(marks))
        runs = []
        position = marks.find(1, first_gap)
        while position >= 0:
            count, step = _longest_run(marks, position)
            marks[position : position + (count - 1) * step + 1 : step] = bytes(count)
            runs.append((self._low + position, count, step))
            position = marks.find(1, position + 1)
        return Progress(self._total, self._low + first_gap, tuple(runs))


def _longest_run(marks: bytearray, start: int) -> tuple[int, int]:
    """(count, step) of the longest run from `start` to one of the next marked positions; of equals the densest."""
    best = (1, 1)
    following = start
    for _ in range(_CANDIDATES):
        following = marks.find(1, following + 1)
        if following < 0:
            break
        count = _run_length(marks, start, following - start)
        if count > best[0]:
            best = (count, following - start)
    return best


def _run_length(marks: bytearray, start: int, step: int) -> int:
    length, take = 0, 64
    while True:
        piece = marks[start + length * step : start + (length + take) * step : step]
        gap = piece.find(0)
        if gap >= 0:
            return length + gap
        length += len(piece)
        if len(piece) < take:
            return length
        take *= 8
