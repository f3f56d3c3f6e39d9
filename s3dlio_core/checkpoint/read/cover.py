"""From runs of a payload to the pieces that are asked for: whole checksum blocks, each once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from s3dlio_core.checkpoint.read.box import Run

__all__ = ["Interval", "cover", "cut"]


@dataclass(frozen=True, slots=True)
class Interval:
    """Bytes [start, end) of a payload. `target`: where they go, in bytes from the destination's first element; None:
    through memory of ours, because only some of them are wanted or the destination cannot take them as they are."""

    start: int
    end: int
    target: int | None = None


def cover(runs: Iterable[Run], unit: int, nbytes: int) -> Iterator[Interval]:
    """Intervals that hold all `runs`, ascending and disjoint, and begin and end at multiples of `unit` or at `nbytes`.

    What lies in a run and its whole units goes straight to the run's target.
    """
    done = 0  # everything before has been yielded
    waiting: Interval | None = None  # without target, perhaps joined with what follows
    for run in runs:
        start, end = max(run.start // unit * unit, done), min(-(-(run.start + run.size) // unit) * unit, nbytes)
        if end <= start:
            continue
        for piece in _parts(run, start, end, unit, nbytes):
            if waiting is not None and piece.target is None and piece.start == waiting.end:
                waiting = Interval(waiting.start, piece.end)
                continue
            if waiting is not None:
                yield waiting
                waiting = None
            if piece.target is None:
                waiting = piece
            else:
                yield piece
        done = end
    if waiting is not None:
        yield waiting


def _parts(run: Run, start: int, end: int, unit: int, nbytes: int) -> Iterator[Interval]:
    """[start, end), with the whole units of the run on their own where it has a target."""
    stop = run.start + run.size
    first = max(-(-run.start // unit) * unit, start)
    last = nbytes if stop == nbytes else stop // unit * unit
    if run.target is None or last <= first:
        yield Interval(start, end)
        return
    if start < first:
        yield Interval(start, first)
    yield Interval(first, last, run.target + first - run.start)
    if last < end:
        yield Interval(last, end)


def cut(intervals: Iterable[Interval], largest: int, unit: int) -> Iterator[Interval]:
    """The intervals in pieces of at most `largest` bytes, or one `unit` where that is larger, cut at units."""
    step = max(largest // unit, 1) * unit
    for interval in intervals:
        for start in range(interval.start, interval.end, step):
            target = None if interval.target is None else interval.target + start - interval.start
            yield Interval(start, min(start + step, interval.end), target)
