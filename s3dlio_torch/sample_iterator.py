"""The iterator of an S3IterableDataset: samples, and a state after each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch.utils.data import get_worker_info

from s3dlio_core.errors import StorageError, tell_facts
from s3dlio_core.loader import LoaderOptions, Manifest, SampleStream, State, Tracker
from s3dlio_torch.sample import SampleMaker

__all__ = ["FailedIterator", "SampleIterator"]


class SampleIterator(Iterator[Any]):
    """Samples of one consumer in one epoch; stateful, as torchdata wants it.

    Args:
        resume: From the dict of a state to a State of this consumer.
        on_tracker: Told what counts the samples read, whenever that is another.
    """

    def __init__(
        self,
        manifest: Manifest,
        options: LoaderOptions,
        maker: SampleMaker,
        state: State,
        *,
        resume: Callable[[dict[str, Any]], State],
        on_tracker: Callable[[Tracker], None],
    ) -> None:
        self._manifest = manifest
        self._options = options
        self._maker = maker
        self._resume = resume
        self._on_tracker = on_tracker
        self._begin(state)

    def _begin(self, state: State) -> None:
        self._stream = SampleStream(self._manifest, state, self._options, fetch=self._maker.fetches)
        self._on_tracker(self._stream.tracker)

    def __iter__(self) -> SampleIterator:
        return self

    def __next__(self) -> Any:
        try:
            fetched = next(self._stream)
            sample = self._maker.make(self._manifest, fetched.sample, fetched.data)
        except Exception as error:
            if not isinstance(error, StopIteration):
                self._stream.fail(error)
                leaving_a_worker(error)
            raise
        self._stream.tracker.done(fetched.ticket)
        return sample

    def state_dict(self) -> dict[str, Any]:
        """What this consumer has read so far, as plain integers, strings and lists."""
        return self._stream.tracker.state().to_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from `state_dict` instead.

        Raises:
            ValueError: It is of other samples, another order, or another consumer.
        """
        state = self._resume(state_dict)
        self._stream.close()
        self._begin(state)

    def close(self) -> None:
        """Take back what is under way; the next sample is StopIteration. Any thread may call it."""
        self._stream.close()


def leaving_a_worker(error: Exception) -> None:
    """In a DataLoader worker, see to it that an error keeps its fields on the way to the training process."""
    if isinstance(error, StorageError) and get_worker_info() is not None:
        tell_facts(error)


class FailedIterator(Iterator[Any]):
    """Raises `error` instead of its first sample."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __next__(self) -> Any:
        raise self._error
