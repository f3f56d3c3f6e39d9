"""Batches for asyncio code, and for plain loops."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

from s3dlio_core.loader import LoaderOptions
from s3dlio_torch.iterable_dataset import S3IterableDataset
from s3dlio_torch.sample_iterator import SampleIterator

__all__ = ["AsyncBatches", "AsyncLoader", "create_async_loader"]

_DEFAULT_BATCH = 32


def create_async_loader(uri: str, opts: LoaderOptions | dict[str, Any] | None = None, **arguments: Any) -> AsyncLoader:
    """A loader of batches below `uri`.

    Args:
        opts: As of S3IterableDataset; batch_size is 32 if not given, as in older s3dlio.
        arguments: As of S3IterableDataset; return_type "tensor", "bytes" or "reader".
    Raises:
        StorageError: While listing.
        TypeError, ValueError: An option that is unknown, of another type, or out of its bounds.
    """
    options = LoaderOptions.of(opts)
    if options.batch_size is None:
        options = LoaderOptions.of({**vars(options), "batch_size": _DEFAULT_BATCH})
    return AsyncLoader(S3IterableDataset(uri, options, **arguments), _DEFAULT_BATCH)


class AsyncLoader:
    """Batches of a dataset: `async for batch in loader` and `for batch in loader`. A batch is a list of samples.

    Samples are fetched ahead across batches: there is no barrier between them, and with in_order=False a batch is
    formed of whatever arrived first. Each loop is an epoch of its own.

    Args:
        dataset: Its batch_size option is the batches' size.
        batch_size: Where the dataset has none.
    """

    def __init__(self, dataset: S3IterableDataset, batch_size: int = _DEFAULT_BATCH) -> None:
        self.dataset = dataset
        self.batch_size = dataset._options.batch_size or batch_size

    def __len__(self) -> int:
        """Batches of this rank, the last of them possibly short."""
        return -(-len(self.dataset) // self.batch_size)

    def __iter__(self) -> Iterator[list[Any]]:
        samples = iter(self.dataset)
        while batch := _taken(samples, self.batch_size):
            yield batch

    def __aiter__(self) -> AsyncBatches:
        return AsyncBatches(self.dataset._iterator(), self.batch_size)

    def state_dict(self) -> dict[str, Any]:
        """As of the dataset."""
        return self.dataset.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As of the dataset."""
        self.dataset.load_state_dict(state_dict)

    def set_epoch(self, epoch: int) -> None:
        """As of the dataset."""
        self.dataset.set_epoch(epoch)


class AsyncBatches:
    """The batches of one epoch, one after the other. For one task at a time.

    A cancelled or timed-out wait loses nothing: the next one gets the batch. Left early, close it with aclose() or
    `async with`, or let it be collected.
    """

    def __init__(self, samples: SampleIterator, batch_size: int) -> None:
        self._samples = samples
        self._batch_size = batch_size
        # The engine works on its own threads; this one only waits for it, so that the loop need not.
        self._waiter = ThreadPoolExecutor(1, thread_name_prefix="s3dlio-batches")
        self._coming: asyncio.Future[list[Any]] | None = None
        self._ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Any]:
        if self._ended:
            raise StopAsyncIteration
        if self._coming is None:
            loop = asyncio.get_running_loop()
            self._coming = loop.run_in_executor(self._waiter, _taken, self._samples, self._batch_size)
        batch = await asyncio.shield(self._coming)
        self._coming = None
        if not batch:
            self._ended = True
            self._waiter.shutdown(wait=False)
            raise StopAsyncIteration
        return batch

    async def aclose(self) -> None:
        """Take back what is under way. Harmless when it ended already."""
        self._ended = True
        self._samples.close()
        if self._coming is not None:
            await asyncio.wait([self._coming])
            self._coming.exception()  # nobody else asks
        self._waiter.shutdown(wait=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        self._samples.close()
        self._waiter.shutdown(wait=False)


def _taken(samples: Iterator[Any], count: int) -> list[Any]:
    """The next `count` samples, fewer at the end; never StopIteration, which a future cannot carry."""
    batch = []
    for sample in samples:
        batch.append(sample)
        if len(batch) == count:
            break
    return batch
