"""What the training process tells its DataLoader workers, and they tell it: a few numbers in shared memory."""

from __future__ import annotations

import torch

__all__ = ["Control"]

_EPOCH, _LOADS, _WORKERS_READ, _TAKEN = 0, 1, 2, 3
_MOST_WORKERS = 1024


class Control:
    """Shared by a dataset and its copies in worker processes, also persistent ones."""

    def __init__(self) -> None:
        self._numbers = torch.zeros(_TAKEN + _MOST_WORKERS, dtype=torch.int64)
        self._numbers.share_memory_()  # type: ignore[no-untyped-call]

    @property
    def epoch(self) -> int:
        """As set_epoch() said last."""
        return int(self._numbers[_EPOCH])

    @epoch.setter
    def epoch(self, value: int) -> None:
        self._numbers[_EPOCH] = value

    @property
    def loads(self) -> int:
        """How many states the training process has loaded."""
        return int(self._numbers[_LOADS])

    @loads.setter
    def loads(self, value: int) -> None:
        self._numbers[_LOADS] = value

    @property
    def workers_read(self) -> bool:
        """Some worker process has begun to read."""
        return bool(self._numbers[_WORKERS_READ])

    def note_worker(self, worker: int) -> None:
        """Worker `worker` begins to read."""
        if worker >= _MOST_WORKERS:
            raise ValueError(f"worker {worker} of one rank; at most {_MOST_WORKERS} are supported")
        self._numbers[_WORKERS_READ] = 1

    def take(self, worker: int, load: int) -> bool:
        """Whether worker `worker` has still to begin with the state that was loaded as number `load`."""
        first = int(self._numbers[_TAKEN + worker]) != load
        self._numbers[_TAKEN + worker] = load
        return first

    def taken_by_any(self, load: int) -> bool:
        """Some worker began with the state that was loaded as number `load`."""
        return bool((self._numbers[_TAKEN:] == load).any())
