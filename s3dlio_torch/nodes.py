"""A source for graphs of torchdata.nodes."""

from __future__ import annotations

from typing import Any

try:
    from torchdata.nodes import BaseNode  # type: ignore[import-untyped]
except ImportError as error:
    raise ImportError("s3dlio_torch.nodes needs torchdata: pip install torchdata") from error

from s3dlio_torch.iterable_dataset import S3IterableDataset
from s3dlio_torch.sample_iterator import SampleIterator

__all__ = ["S3SourceNode"]

_DATASET = "dataset"


class S3SourceNode(BaseNode[Any]):  # type: ignore[misc]
    """The samples of an S3IterableDataset as the source of a graph: Batcher, ParallelMapper, Prefetcher, Loader, ...

    Each reset begins the next epoch, as torchdata's samplers do it; set_epoch() names one. Its state is exact and may
    be given to merge_states() inside the state of a whole graph.

    Args:
        dataset: The dataset; its rank is read, without workers.
    """

    def __init__(self, dataset: S3IterableDataset) -> None:
        super().__init__()
        self._dataset = dataset
        self._samples: SampleIterator | None = None
        self._following: int | None = None

    @classmethod
    def from_uri(cls, uri: str, *arguments: Any, **named: Any) -> S3SourceNode:
        """Over an S3IterableDataset made with these arguments, which see; its errors too."""
        return cls(S3IterableDataset(uri, *arguments, **named))

    def set_epoch(self, epoch: int) -> None:
        """The next reset begins `epoch`."""
        self._dataset.set_epoch(epoch)
        self._following = None

    def reset(self, initial_state: dict[str, Any] | None = None) -> None:
        """Begin the next epoch, or go on from a state."""
        super().reset(initial_state)
        if self._samples is not None:
            self._samples.close()
        if initial_state is not None:
            self._dataset.load_state_dict(initial_state[_DATASET])
        elif self._following is not None:
            self._dataset.set_epoch(self._following)
        self._following = self._dataset.epoch + 1
        self._samples = self._dataset._iterator()

    def next(self) -> Any:
        """The next sample of the epoch.

        Raises:
            StopIteration: The epoch has ended.
        """
        assert self._samples is not None
        return next(self._samples)

    def get_state(self) -> dict[str, Any]:
        """Which samples of the epoch were handed on, for reset()."""
        assert self._samples is not None
        return {_DATASET: self._samples.state_dict()}
