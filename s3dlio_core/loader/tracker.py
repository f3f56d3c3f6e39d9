"""Counts what one consumer has read, also out of order."""

from __future__ import annotations

from dataclasses import replace

from s3dlio_core.loader.state import State

__all__ = ["Tracker"]


class Tracker:
    """A State that moves on.

    Args:
        state: Where to begin; its layout names the consumer.
    """

    __slots__ = ("_ahead", "_done", "_start")

    def __init__(self, state: State) -> None:
        self._start = state
        self._done = state.done
        self._ahead = set(state.ahead)

    def done(self, ticket: int) -> None:
        """The sample at index `ticket` of the share has reached its consumer."""
        if ticket != self._done:
            self._ahead.add(ticket)
            return
        self._done += 1
        while self._done in self._ahead:
            self._ahead.remove(self._done)
            self._done += 1

    def state(self) -> State:
        """As of now; a stream that is given it goes on from there."""
        return replace(self._start, done=self._done, ahead=tuple(sorted(self._ahead)))
