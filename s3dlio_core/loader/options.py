"""How a dataset orders, divides and reads ahead. Every option acts; what would not is refused."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from s3dlio_core.tuning import Tuning

__all__ = ["LoaderOptions"]

_ONE_REQUEST = 1 << 40  # larger than any object
_AT_LEAST_ONE = frozenset(
    ["window_bytes", "window_requests", "batch_size", "part_size", "max_inflight_parts", "shard_world_size"]
)


@dataclass(frozen=True, kw_only=True)
class LoaderOptions:
    """Options of one dataset. None means "not given".

    Args:
        window_bytes: Most bytes fetched and not yet consumed, per process; one sample always fits. Default 256 MiB.
        window_requests: Most samples asked for at once, per process. Default 64.
        in_order: False yields samples as they arrive, so one slow object holds up nothing.
        batch_size: The DataLoader's batch size: workers take whole batches in turn, so the rank's order does not depend
            on their number; drop_last counts in batches; an AsyncLoader forms batches of it. Not given: 1.
        drop_last: Leave out the tail so that all ranks get the same number of (whole) batches.
        wrap: Repeat samples from the start so that all ranks get the same number; instead of drop_last.
        shuffle: Another order for each (seed, epoch), over all samples; False: the listing's order.
        seed: Of the shuffle.
        num_workers: Most samples asked for at once, as window_requests; 0: not given.
        prefetch: Batches of `batch_size` looked ahead; lowers window_requests to their number; 0: not given.
        auto_tune: Ask for as many samples at once as the store may have connections, and let the engine find by the
            throughput it measures how many of them help; window_requests, num_workers and prefetch are refused beside
            it.
        reader_mode: "sequential" reads each object by one request; "range" by several of `part_size`. Not given: the
            engine decides by the size.
        part_size: Bytes of one request; not with "sequential".
        max_inflight_parts: Most parts of `part_size` on their way, per process; not with "sequential".
        shard_rank: Rank to read for, with shard_world_size; not given: from torch.distributed or the environment.
        shard_world_size: Ranks there are.
        worker_id: Worker to read for, with num_workers_pytorch, in processes that are no DataLoader workers.
        num_workers_pytorch: Workers there are in each rank.
    Raises:
        TypeError: A value of another type.
        ValueError: A value outside its bounds, or options that exclude each other.
    """

    window_bytes: int = 256 << 20
    window_requests: int | None = None
    in_order: bool = True
    batch_size: int | None = None
    drop_last: bool = False
    wrap: bool = False
    shuffle: bool = False
    seed: int = 0
    num_workers: int = 0
    prefetch: int = 0
    auto_tune: bool = False
    reader_mode: str | None = None
    part_size: int | None = None
    max_inflight_parts: int | None = None
    shard_rank: int | None = None
    shard_world_size: int | None = None
    worker_id: int | None = None
    num_workers_pytorch: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            _check(field.name, getattr(self, field.name), str(field.type))
        self._check_together()

    def _check_together(self) -> None:
        if self.reader_mode not in (None, "sequential", "range"):
            raise ValueError(f"reader_mode is {self.reader_mode!r}; expected 'sequential' or 'range'")
        if self.reader_mode == "sequential" and (self.part_size or self.max_inflight_parts):
            raise ValueError(
                "part_size and max_inflight_parts do nothing with reader_mode='sequential'; leave them out"
            )
        if self.auto_tune and (self.window_requests or self.num_workers or self.prefetch):
            raise ValueError(
                "auto_tune finds the number of requests; leave out window_requests, num_workers and prefetch"
            )
        if self.drop_last and self.wrap:
            raise ValueError("drop_last and wrap are two ways to make ranks even; expected one of them at most")
        for number, count in (("shard_rank", "shard_world_size"), ("worker_id", "num_workers_pytorch")):
            index, limit = getattr(self, number), getattr(self, count)
            if (index is None) != (limit is None):
                raise ValueError(f"{number} and {count} belong together; found {index} and {limit}")
            if index is not None and not index < limit:
                raise ValueError(f"{number} is {index}; expected less than {count}, which is {limit}")

    @classmethod
    def of(cls, options: LoaderOptions | dict[str, Any] | None) -> LoaderOptions:
        """`options` as LoaderOptions; a dict may name any of its fields.

        Raises:
            TypeError: Unknown names, or values of another type; the message lists the valid names.
        """
        if options is None:
            return cls()
        if isinstance(options, LoaderOptions):
            return options
        if not isinstance(options, dict):
            raise TypeError(f"loader options are a {type(options).__name__}; expected a dict or LoaderOptions")
        known = cls.names()
        unknown = sorted(str(name) for name in options if name not in known)
        if unknown:
            raise TypeError(f"unknown loader options: {', '.join(unknown)}; valid ones are {', '.join(known)}")
        return cls(**options)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """All options."""
        return tuple(field.name for field in fields(cls))

    @property
    def block(self) -> int:
        """Samples a worker takes in turn."""
        return self.batch_size or 1

    def requests(self, max_connections: int) -> int:
        """Most samples to ask for at once, on a store of so many connections."""
        if self.auto_tune:
            return max_connections
        given = [self.window_requests, self.num_workers, self.prefetch * self.block]
        return min((limit for limit in given if limit), default=64)

    def tuned(self, tuning: Tuning | None) -> Tuning:
        """`tuning` (None: the environment's), changed by what these options say of parts."""
        chosen = tuning or Tuning.from_environment()
        if self.reader_mode == "sequential":
            return replace(chosen, part_size=_ONE_REQUEST)
        if self.part_size:
            chosen = replace(chosen, part_size=self.part_size)
        if self.max_inflight_parts:
            chosen = replace(chosen, max_in_flight_bytes=self.max_inflight_parts * chosen.part_size)
        return chosen


def _check(name: str, value: object, kind: str) -> None:
    optional = kind.endswith("| None")
    if value is None and optional:
        return
    wanted: type = {"int": int, "bool": bool, "str": str}[kind.removesuffix(" | None")]
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        spelled = {int: "an integer", bool: "True or False", str: "a str"}[wanted]
        raise TypeError(f"{name} is {value!r}; expected {spelled}")
    if isinstance(value, int) and wanted is int and name != "seed":
        least = 1 if name in _AT_LEAST_ONE else 0
        if value < least:
            raise ValueError(f"{name} is {value}; expected {f'at least {least}' if least else '0 or more'}")
