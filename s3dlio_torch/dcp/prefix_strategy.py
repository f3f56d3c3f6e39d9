"""Where a rank's data objects lie below the checkpoint: many ranks at one prefix can meet an S3 partition's limit."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch.distributed as dist

__all__ = [
    "BinaryPrefixStrategy",
    "DefaultPrefixStrategy",
    "HexPrefixStrategy",
    "NumericPrefixStrategy",
    "PrefixStrategy",
    "RoundRobinPrefixStrategy",
    "S3PrefixStrategyBase",
]

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class PrefixStrategy(ABC):
    """Gives each rank what stands before the numbers of its data objects. Must be picklable."""

    def __call__(self, rank: int) -> str:
        """As generate_prefix()."""
        return self.generate_prefix(rank)

    @abstractmethod
    def generate_prefix(self, rank: int) -> str:
        """E.g. "0100000000/epoch_3/__7_". Ends in "__{rank}_", which keeps the ranks' objects apart."""


S3PrefixStrategyBase = PrefixStrategy  # as AWS's connector calls it


class DefaultPrefixStrategy(PrefixStrategy):
    """All ranks side by side: "__{rank}_"."""

    def generate_prefix(self, rank: int) -> str:
        """ "__{rank}_"."""
        return f"__{rank}_"


class NumericPrefixStrategy(PrefixStrategy):
    """Numbered prefixes with their digits reversed, so that neighbours differ in the first character.

    Args:
        base: Of the number, 2 to 36.
        epoch_num: A folder "epoch_<n>/" behind the number; None: none.
        min_prefix_length: Digits, at least; more where so many different numbers need them, the same for all.
        prefix_count: How many different numbers; None: the world size.

    A subclass may spell the numbers itself: `_format_number(number, length)`, the last digit last.
    """

    def __init__(
        self, base: int, epoch_num: int | None = None, min_prefix_length: int = 10, prefix_count: int | None = None
    ) -> None:
        if not 2 <= base <= len(_DIGITS):
            raise ValueError(f"base is {base}; expected 2 to {len(_DIGITS)}")
        _check_epoch(epoch_num)
        if min_prefix_length < 1:
            raise ValueError(f"min_prefix_length is {min_prefix_length}; expected 1 or more")
        if prefix_count is not None and (not isinstance(prefix_count, int) or prefix_count < 1):
            raise ValueError(f"prefix_count is {prefix_count}; expected an integer from 1")
        self.base = base
        self.epoch_num = epoch_num
        self.min_prefix_length = min_prefix_length
        self.prefix_count = prefix_count

    def generate_prefix(self, rank: int) -> str:
        """ "<digits>/__{rank}_", with "epoch_<n>/" between where there is one."""
        count = self.prefix_count or _world_size()
        length, reached = 1, self.base
        while reached < count:
            length, reached = length + 1, reached * self.base
        digits = self._format_number(rank % count, max(length, self.min_prefix_length))[::-1]
        return f"{digits}/{_epoch_folder(self.epoch_num)}__{rank}_"

    def _format_number(self, number: int, length: int) -> str:
        digits = ""
        while number:
            number, digit = divmod(number, self.base)
            digits = _DIGITS[digit] + digits
        return digits.rjust(length, "0")


class BinaryPrefixStrategy(NumericPrefixStrategy):
    """NumericPrefixStrategy of base 2."""

    def __init__(
        self, epoch_num: int | None = None, min_prefix_length: int = 10, prefix_count: int | None = None
    ) -> None:
        super().__init__(2, epoch_num, min_prefix_length, prefix_count)


class HexPrefixStrategy(NumericPrefixStrategy):
    """NumericPrefixStrategy of base 16."""

    def __init__(
        self, epoch_num: int | None = None, min_prefix_length: int = 10, prefix_count: int | None = None
    ) -> None:
        super().__init__(16, epoch_num, min_prefix_length, prefix_count)


class RoundRobinPrefixStrategy(PrefixStrategy):
    """The caller's prefixes, one a rank, from the front again when they are used up.

    Args:
        user_prefixes: E.g. ["a", "b/c"].
        epoch_num: A folder "epoch_<n>/" behind the prefix; None: none.
    """

    def __init__(self, user_prefixes: Sequence[str], epoch_num: int | None = None) -> None:
        if isinstance(user_prefixes, str) or not user_prefixes or not all(p.strip("/") for p in user_prefixes):
            raise ValueError(f"user_prefixes is {user_prefixes!r}; expected a list of names, none of them empty")
        _check_epoch(epoch_num)
        self.user_prefixes = [prefix.strip("/") for prefix in user_prefixes]
        self.epoch_num = epoch_num

    def generate_prefix(self, rank: int) -> str:
        """ "<prefix>/__{rank}_", with "epoch_<n>/" between where there is one."""
        prefix = self.user_prefixes[rank % len(self.user_prefixes)]
        return f"{prefix}/{_epoch_folder(self.epoch_num)}__{rank}_"


def _check_epoch(epoch_num: int | None) -> None:
    if epoch_num is not None and (not isinstance(epoch_num, int) or epoch_num < 0):
        raise ValueError(f"epoch_num is {epoch_num}; expected an integer from 0")


def _epoch_folder(epoch_num: int | None) -> str:
    return "" if epoch_num is None else f"epoch_{epoch_num}/"


def _world_size() -> int:
    if dist.is_available() and dist.is_initialized():
        return dist.get_world_size()
    return int(os.environ.get("WORLD_SIZE", "1"))
