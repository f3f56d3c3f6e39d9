"""Training jobs without data: ranks and workers that read shares, stop anywhere, and leave states behind."""

from __future__ import annotations

import random
from dataclasses import dataclass

from s3dlio_core.loader import EpochId, Layout, Order, Progress, State, Tracker, merge_states, resumed


def fresh(total: int, *, shuffle: bool = False, seed: int = 0, epoch: int = 0) -> State:
    return State(EpochId(total, "digest", shuffle, seed, epoch), Progress(total))


@dataclass
class Job:
    """`world_size` ranks of `workers` each, dealt what `state` leaves.

    `window`: how far a sample may come before its turn; 1: in order.
    """

    state: State
    world_size: int
    workers: int
    block: int
    window: int = 1
    wrap: bool = False

    def __post_init__(self) -> None:
        state_id = self.state.id
        self.order = Order(state_id.total, shuffle=state_id.shuffle, seed=state_id.seed, epoch=state_id.epoch)
        self.trackers: dict[tuple[int, int], Tracker] = {}
        self.read: dict[int, list[int]] = {rank: [] for rank in range(self.world_size)}  # samples, as delivered
        for rank in range(self.world_size):
            for worker in range(self.workers):
                layout = Layout(rank, self.world_size, worker, self.workers, self.block)
                self.trackers[rank, worker] = Tracker(resumed(self.state, layout))

    def run(self, rank: int, worker: int, count: int, rng: random.Random) -> None:
        """Consumer (rank, worker) reads up to `count` samples more."""
        tracker = self.trackers[rank, worker]
        state = tracker.state()
        assert state.layout is not None
        share, remaining = state.share(state.layout, wrap=self.wrap), state.base.remaining()
        waiting = [i for i in range(state.done, len(share)) if i not in state.ahead]
        for _ in range(min(count, len(waiting))):
            ticket = waiting.pop(rng.randrange(min(self.window, len(waiting))))
            self.read[rank].append(self.order[remaining[share[ticket]]])
            tracker.done(ticket)

    def states(self) -> list[list[dict[str, object]]]:
        """[rank][worker] -> state."""
        return [
            [self.trackers[rank, worker].state().to_dict() for worker in range(self.workers)]
            for rank in range(self.world_size)
        ]

    def merged(self) -> State:
        return State.from_dict(merge_states(self.states()))
