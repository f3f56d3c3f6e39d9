"""The state of one consumer in the middle of an epoch, and the merging of all consumers' states into one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from s3dlio_core.loader.progress import Marks, Progress, stored_number
from s3dlio_core.loader.split import Layout, Share

__all__ = ["EpochId", "State", "find_states", "merge", "merge_states", "resumed"]

_TAG = "s3dlio_dataset_state"
_VERSION = 1
_DEPTH = 64  # of containers around a state


@dataclass(frozen=True, slots=True)
class EpochId:
    """What fixes the order of an epoch; states of different ones cannot be mixed.

    Attributes:
        manifest: Digest of the manifest: keys, sizes, records.
    """

    total: int
    manifest: str
    shuffle: bool = False
    seed: int = 0
    epoch: int = 0

    def __post_init__(self) -> None:
        for name, kind in (("total", int), ("manifest", str), ("shuffle", bool), ("seed", int), ("epoch", int)):
            if type(getattr(self, name)) is not kind:
                raise TypeError(f"{name} is {getattr(self, name)!r}; expected a {kind.__name__}")

    def check_same(self, other: EpochId, what: str) -> None:
        """Refuse another epoch.

        Args:
            other: What `what` was of.
            what: Names it in the error.
        Raises:
            ValueError: `other` is not this epoch; the message says what differs.
        """
        if self.manifest != other.manifest:
            raise ValueError(
                f"{what} belongs to another set of samples ({other.total} samples, manifest {other.manifest[:12]}); "
                f"expected {self.total} samples, manifest {self.manifest[:12]}. Was something added, removed or "
                "replaced since? A cached manifest (manifest_cache=...) keeps the set as it was"
            )
        if (self.shuffle, self.seed) != (other.shuffle, other.seed):
            raise ValueError(
                f"{what} is of shuffle={other.shuffle}, seed={other.seed}; "
                f"expected shuffle={self.shuffle}, seed={self.seed}, without which the order is another"
            )
        if self.epoch != other.epoch:
            raise ValueError(f"{what} is of epoch {other.epoch}; expected epoch {self.epoch}")


@dataclass(frozen=True, slots=True)
class State:
    """How far one consumer came.

    Attributes:
        id: The epoch.
        base: What had been read, by anybody, when this consumer's share was dealt out.
        layout: The consumer; None: nobody's state but everybody's, as merge_states gives it.
        done: The first so many positions of the share were read.
        ahead: Indices into the share, `done` or higher, that were read too: samples that came out of order.
    """

    id: EpochId
    base: Progress
    layout: Layout | None = None
    done: int = 0
    ahead: tuple[int, ...] = ()

    def share(self, layout: Layout, *, drop_last: bool = False, wrap: bool = False) -> Share:
        """What the consumer `layout` reads of the rest: indices into `base.remaining()`.

        Args:
            drop_last: As of Share.
            wrap: As of Share.
        """
        return Share(layout, self.base.total - self.base.consumed, drop_last, wrap)

    def to_dict(self) -> dict[str, Any]:
        """As plain integers, strings and lists; made anew at each call."""
        state: dict[str, Any] = {_TAG: _VERSION, **asdict(self.id), **self.base.to_dict()}
        if self.layout is not None:
            state |= {"layout": asdict(self.layout), "done": self.done, "ahead": list(self.ahead)}
        return state

    @classmethod
    def from_dict(cls, stored: Any) -> State:
        """The reverse.

        Raises:
            ValueError: It is no state of a dataset, of a later version, or contradicts itself.
        """
        if not isinstance(stored, dict) or _TAG not in stored:
            raise ValueError(f"expected the state of a dataset; found {_short(stored)}")
        if stored[_TAG] != _VERSION:
            raise ValueError(f"the state of a dataset has version {stored[_TAG]!r}; this release reads {_VERSION}")
        try:
            names = EpochId.__dataclass_fields__
            epoch = EpochId(**{name: stored[name] for name in names})
            base = Progress.from_dict(stored)
            if stored.get("layout") is None:
                return cls(epoch, base)
            layout = Layout(**{name: stored_number(value) for name, value in stored["layout"].items()})
            state = cls(epoch, base, layout, stored_number(stored["done"]), tuple(map(stored_number, stored["ahead"])))
            state._check_share(layout)
            return state
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"the state of a dataset cannot be read: {error!r}") from error

    def _check_share(self, layout: Layout) -> None:
        # A share that is made even by wrapping is the longest.
        size = len(self.share(layout, wrap=True))
        sound = 0 <= self.done <= size and all(self.done < index < size for index in self.ahead)
        if not sound or self.base.total != self.id.total:
            raise ValueError(f"the state of a dataset contradicts itself: {self.done} of {size} read, and {self.ahead}")

    def flat(self) -> State:
        """The same, with the consumer's own reading in `base`."""
        return merge([self]) if self.layout is not None else self

    def mark_in(self, marks: Marks) -> None:
        """Mark every position this state says was read."""
        marks.add_progress(self.base)
        if self.layout is None:
            return
        remaining = self.base.remaining()
        share = self.share(self.layout)
        for run in share.runs(self.done):
            remaining.mark_in(marks, run)
        marks.add_each(remaining[share[index]] for index in self.ahead)


def find_states(tree: Any, *, _within: int = _DEPTH) -> list[State]:
    """Every dataset state inside nested dicts, lists and tuples, such as the state of a StatefulDataLoader.

    Raises:
        ValueError: A loader's state that is not exact: it says "this snapshot and a few batches more"; or one that is
            nested too deep.
    """
    if not _within:
        raise ValueError(f"the state is nested more than {_DEPTH} deep, or holds itself")
    if isinstance(tree, dict):
        if _TAG in tree:
            return [State.from_dict(tree)]
        if tree.get("_steps_since_snapshot"):
            raise ValueError(
                f"the loader's state is {tree['_steps_since_snapshot']} batches behind what was delivered; take it at "
                "a multiple of snapshot_every_n_steps, or leave that at 1, with in_order=True on the loader"
            )
        return [state for value in tree.values() for state in find_states(value, _within=_within - 1)]
    if isinstance(tree, (list, tuple)):
        return [state for value in tree for state in find_states(value, _within=_within - 1)]
    return []


def merge_states(trees: Iterable[Any], *, partial: bool = False) -> dict[str, Any]:
    """One state of all ranks and workers, which any number of ranks and workers can resume from.

    Args:
        trees: A state of each rank: of the dataset, its iterator, or a whole loader that holds them.
        partial: Accept that consumers are missing; what they had read is then read once more.
    Returns:
        A plain dict for load_state_dict().
    Raises:
        ValueError: No state in one of `trees`, states of different epochs or data, two different states of one
            consumer, or none of some consumer.
    """
    found = []
    for number, tree in enumerate(trees):
        states = find_states(tree)
        if not states:
            raise ValueError(f"state {number} holds no state of a dataset; found {_short(tree)}")
        found.extend(states)
    if not found:
        raise ValueError("expected at least one state; found none")
    return merge(found, partial=partial).to_dict()


def merge(states: Sequence[State], *, partial: bool = True) -> State:
    """As merge_states, of States."""
    first = states[0]
    for state in states[1:]:
        first.id.check_same(state.id, "a state")
    consumers = _one_each(states)
    if not partial:
        _check_complete(consumers)
    marks = Marks(first.id.total, low=min(state.base.frontier for state in consumers))
    for state in consumers:
        state.mark_in(marks)
    return State(first.id, marks.progress())


def _one_each(states: Iterable[State]) -> list[State]:
    """`states` without repeats: a loader keeps that of the dataset and that of its iterator, which are the same."""
    seen: dict[tuple[Progress, Layout | None], State] = {}
    for state in states:
        known = seen.setdefault((state.base, state.layout), state)
        if known != state:
            raise ValueError(
                f"two different states of the same consumer, {_name(state.layout)}: they were taken at different "
                "times, or the dataset is not sharded, so that each worker reads all of it"
            )
    return list(seen.values())


def _check_complete(states: Iterable[State]) -> None:
    groups: dict[tuple[Progress, int, int], dict[int, set[tuple[int, int]]]] = {}
    for state in states:
        if state.layout is not None:
            layout = state.layout
            ranks = groups.setdefault((state.base, layout.world_size, layout.block), {})
            ranks.setdefault(layout.rank, set()).add((layout.worker, layout.workers))
    for (_, world_size, block), ranks in groups.items():
        for rank in range(world_size):
            present = ranks.get(rank, set())
            workers = max((count for _, count in present), default=1)
            for worker in range(workers):
                if (worker, workers) not in present:
                    missing = _name(Layout(rank, world_size, worker, workers, block))
                    raise ValueError(f"the state of {missing} is missing; merge the states of all ranks and workers")


def _name(layout: Layout | None) -> str:
    if layout is None:
        return "the merged state"
    name = f"rank {layout.rank} of {layout.world_size}"
    return f"{name}, worker {layout.worker} of {layout.workers}" if layout.workers > 1 else name


def _short(value: Any) -> str:
    keys = f" with the keys {', '.join(map(str, list(value)[:8]))}" if isinstance(value, dict) and value else ""
    return f"a {type(value).__name__}{keys}"


def resumed(state: State, layout: Layout) -> State:
    """`state` for the consumer `layout` to go on from.

    Raises:
        ValueError: It is the state of one consumer among several, and that is not this one.
    """
    if state.layout is None or state.layout == layout:
        return replace(state, layout=layout)
    if state.layout.world_size == state.layout.workers == 1:
        return replace(state.flat(), layout=layout)
    raise ValueError(
        f"the state is of {_name(state.layout)} (batch_size {state.layout.block}); this is {_name(layout)} (batch_size "
        f"{layout.block}). Another number of ranks or workers resumes from merge_states([...]) of all ranks' states"
    )
