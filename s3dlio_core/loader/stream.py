"""One consumer's samples of one epoch, read ahead, with a state that is exact after each of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from types import TracebackType
from typing import NamedTuple, Self

from s3dlio_core._ext import Buffer
from s3dlio_core.errors import PreconditionError, TransferCancelledError
from s3dlio_core.loader.manifest import Manifest
from s3dlio_core.loader.options import LoaderOptions
from s3dlio_core.loader.order import Order
from s3dlio_core.loader.state import State
from s3dlio_core.loader.tracker import Tracker
from s3dlio_core.store import Prefetch
from s3dlio_core.values import FetchItem

__all__ = ["Fetched", "SampleStream", "check_size"]


class Fetched(NamedTuple):
    """One sample's bytes.

    Attributes:
        ticket: For the tracker's done(), once the sample has reached its consumer.
        sample: Its index in the manifest.
        data: The bytes; None where the stream was told not to fetch.
    """

    ticket: int
    sample: int
    data: Buffer | None


class SampleStream:
    """Iterator over the samples that `state`'s consumer has not read yet. One thread at a time.

    Nothing is asked of the store before the first sample is. A sample counts as read when `tracker.done()` is told so,
    not before: what was fetched ahead is in no state. A failure ends the stream; asked again, it fails again.

    Args:
        manifest: The samples.
        state: Where to begin; its layout names the consumer.
        options: Order, window, evenness.
        fetch: False yields indices alone, for consumers that read by themselves.
    Attributes:
        tracker: What was read so far; it outlives the stream.
    """

    def __init__(self, manifest: Manifest, state: State, options: LoaderOptions, *, fetch: bool = True) -> None:
        if state.layout is None:
            raise ValueError("the state names no consumer")
        self._manifest = manifest
        self._options = options
        self._fetch = fetch
        self._order = Order(state.id.total, shuffle=state.id.shuffle, seed=state.id.seed, epoch=state.id.epoch)
        self._remaining = state.base.remaining()
        self._share = state.share(state.layout, drop_last=options.drop_last, wrap=options.wrap)
        self.tracker = Tracker(state)
        self._drawn: dict[int, tuple[int, int]] = {}  # number of the request -> (index into the share, sample)
        self._prefetch: Prefetch | None = None
        self._failure: Exception | None = None
        self._undone = self._walk()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Fetched:
        if self._failure is not None:
            # Going on behind a failed sample would make the epoch short.
            raise self._failure
        try:
            return self._next_fetched() if self._fetch else self._next_index()
        except StopIteration:
            raise
        except Exception as error:
            self.fail(error)
            raise

    def fail(self, error: Exception) -> None:
        """End the stream: `error` is raised from now on."""
        self._failure = error
        self.close()

    def close(self) -> None:
        """End the stream and take back what is under way, also from another thread. Harmless when it ended already."""
        self._undone = iter(())
        prefetch, self._prefetch = self._prefetch, None
        if prefetch is not None:
            prefetch.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _walk(self) -> Iterator[tuple[int, int]]:
        """(index into the share, sample) of what is to be read."""
        order, remaining, share = self._order, self._remaining, self._share
        start = self.tracker.state()
        skipped = frozenset(start.ahead)
        for ticket in range(start.done, len(share)):
            if ticket not in skipped:
                yield ticket, order[remaining[share[ticket]]]

    def _next_index(self) -> Fetched:
        ticket, index = next(self._undone)
        return Fetched(ticket, index, None)

    def _next_fetched(self) -> Fetched:
        if self._prefetch is None:
            self._prefetch = self._opened()
        try:
            number, data = next(self._prefetch)
        except StopIteration:
            self._check_complete()
            raise
        ticket, index = self._drawn.pop(number)
        check_size(self._manifest, index, len(data))
        return Fetched(ticket, index, data)

    def _check_complete(self) -> None:
        # Closed by us, the stream may end early; by anything else it may not.
        if self._drawn and self._prefetch is not None:
            message = f"the stream ended with {len(self._drawn)} samples outstanding; the engine was shut down"
            raise TransferCancelledError(message, operation="prefetch", uri=self._manifest.store.uri)

    def _opened(self) -> Prefetch:
        first = next(self._undone)  # StopIteration: nothing to read, so nothing to ask a store for
        store, options = self._manifest.store, self._options
        return store.prefetch(
            self._requests(chain([first], self._undone)),
            window_bytes=options.window_bytes,
            window_requests=options.requests(store.tuning.max_connections),
            in_order=options.in_order,
        )

    def _requests(self, undone: Iterable[tuple[int, int]]) -> Iterator[FetchItem]:
        for number, (ticket, index) in enumerate(undone):
            self._drawn[number] = ticket, index
            yield self._manifest.item(index)


def check_size(manifest: Manifest, sample: int, received: int) -> None:
    """Compare the bytes received for a sample with the size it was listed with.

    Args:
        sample: Index in `manifest`.
        received: Bytes.
    Raises:
        PreconditionError: The sizes differ: the object was replaced since.
    """
    expected = manifest.size(sample)
    if expected is not None and received != expected:
        raise PreconditionError(
            f"received {received} bytes; expected {expected}, as it was listed; the object was replaced since",
            operation="get",
            uri=manifest.store.uri_of(manifest.item(sample).key),
        )
