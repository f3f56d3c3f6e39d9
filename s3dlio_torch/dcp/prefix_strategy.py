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


class DefaultPrefixStrategy(PrefixStrategy):
    """All ranks side by side: "__{rank}_"."""

    def generate_prefix(self, rank: int) -> str:
        return f"__{rank}_"


class NumericPrefixStrategy(PrefixStrategy):
    """Numbered prefixes with their digits reversed, so that neighbours differ in the first character.

    Args:
        base: Of the number, 2 to 36.
        epoch_num: A folder "epoch_<n>/" behind the number; None: none.
        min_prefix_length: Digits, at least.
        prefix_count: How many different numbers; None: the world size.
    """

    def __init__(
        self, base: int, epoch_num: int | None = None, min_prefix_length: int = 10, prefix_count: int | None = None
    ) -> None:
        if not 2 <= base <= len(_DIGITS):
            raise ValueError(f"base is {base}; expected 2 to {len(_DIGITS)}")
        if epoch_num is not None and epoch_num < 0:
            raise ValueError(f"epoch_num is {epoch_num}; expected 0 or more")
        if min_prefix_length < 1:
            raise ValueError(f"min_prefix_length is {min_prefix_length}; expected 1 or more")
        if prefix_count is not None and prefix_count < 1:
            raise ValueError(f"prefix_count is {prefix_count}; expected 1 or more")
        self.base = base
        self.epoch_num = epoch_num
        self.min_prefix_length = min_prefix_length
        self.prefix_count = prefix_count

    def generate_prefix(self, rank: int) -> str:
        number = rank % (self.prefix_count or _world_size())
        digits = ""
        while number:
            number, digit = divmod(number, self.base)
            digits += _DIGITS[digit]  # the last digit comes first: reversed as wanted
        return f"{digits.ljust(self.min_prefix_length, '0')}/{_epoch_folder(self.epoch_num)}__{rank}_"


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
        if epoch_num is not None and epoch_num < 0:
            raise ValueError(f"epoch_num is {epoch_num}; expected 0 or more")
        self.user_prefixes = [prefix.strip("/") for prefix in user_prefixes]
        self.epoch_num = epoch_num

    def generate_prefix(self, rank: int) -> str:
        prefix = self.user_prefixes[rank % len(self.user_prefixes)]
        return f"{prefix}/{_epoch_folder(self.epoch_num)}__{rank}_"


def _epoch_folder(epoch_num: int | None) -> str:
    return "" if epoch_num is None else f"epoch_{epoch_num}/"


def _world_size() -> int:
    if dist.is_available() and dist.is_initialized():
        return dist.get_world_size()
    return int(os.environ.get("WORLD_SIZE", "1"))
