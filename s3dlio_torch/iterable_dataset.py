"""Streams every object below a prefix, read ahead by the engine while the model works."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from torch.utils.data import IterableDataset, get_worker_info

from s3dlio_core import FetchItem
from s3dlio_torch.loader_options import LoaderOptions
from s3dlio_torch.manifest import Manifest, manifest_of_objects, manifest_of_prefix
from s3dlio_torch.sample import Transform, check_return_type, make_sample
from s3dlio_torch.sharding import WHOLE, shard_of_rank, shard_of_worker


class S3IterableDataset(IterableDataset[Any]):
    """One sample an object, over any scheme the core opens: s3://, file://, direct://.

    Each sample reaches exactly one DataLoader worker of one rank; the order is the listing's, and shards differ by one
    sample at most. Objects are fetched ahead by the engine's threads, bounded in bytes and in requests, so one process
    without workers already fills the link; use workers for decoding.

    The listing happens once, when the dataset is made: workers receive it, and a missing bucket shows at once.

    Args:
        uri: Prefix to read, e.g. "s3://bucket/train/".
        loader_opts: Read-ahead, as a LoaderOptions or a dict of its fields; unknown names are refused.
        return_type: "tensor" (uint8, shape [size], over the received memory), "bytes" or "reader" (a SampleReader).
        transform: Called with the sample; what it returns is yielded.
        enable_sharding: False gives every rank and every worker all samples.
        store_options: Passed to open_store: endpoint_url, region, profile, tuning, ...
    Raises:
        StorageError: While listing, or from the iterator at the object that failed; never a short epoch.
    """

    def __init__(
        self,
        uri: str,
        loader_opts: LoaderOptions | dict[str, Any] | None = None,
        *,
        return_type: str = "tensor",
        transform: Transform | None = None,
        enable_sharding: bool = True,
        **store_options: Any,
    ) -> None:
        self._set_up(
            manifest_of_prefix(uri, **store_options),
            LoaderOptions.of(loader_opts),
            return_type,
            transform,
            enable_sharding,
        )

    @classmethod
    def from_prefix(
        cls,
        uri: str,
        *,
        region: str | None = None,
        endpoint: str | None = None,
        transform: Transform | None = None,
        enable_sharding: bool = False,
        loader_opts: LoaderOptions | dict[str, Any] | None = None,
        **store_options: Any,
    ) -> S3IterableDataset:
        """The shape of AWS's connector: `transform` gets a seekable reader with `.bucket` and `.key`.

        As there, sharding is off unless asked for: with N workers and no sharding every object comes N times.
        """
        manifest = manifest_of_prefix(uri, region=region, endpoint_url=endpoint, **store_options)
        return cls._of_readers(manifest, transform, enable_sharding, loader_opts)

    @classmethod
    def from_objects(
        cls,
        object_uris: str | Iterable[str],
        *,
        region: str | None = None,
        endpoint: str | None = None,
        transform: Transform | None = None,
        enable_sharding: bool = False,
        loader_opts: LoaderOptions | dict[str, Any] | None = None,
        **store_options: Any,
    ) -> S3IterableDataset:
        """As from_prefix, over the given objects in the given order; nothing is listed."""
        uris = [object_uris] if isinstance(object_uris, str) else object_uris
        manifest = manifest_of_objects(uris, region=region, endpoint_url=endpoint, **store_options)
        return cls._of_readers(manifest, transform, enable_sharding, loader_opts)

    @classmethod
    def _of_readers(
        cls,
        manifest: Manifest,
        transform: Transform | None,
        enable_sharding: bool,
        loader_opts: LoaderOptions | dict[str, Any] | None,
    ) -> S3IterableDataset:
        dataset = cls.__new__(cls)
        dataset._set_up(manifest, LoaderOptions.of(loader_opts), "reader", transform, enable_sharding)
        return dataset

    def _set_up(
        self,
        manifest: Manifest,
        options: LoaderOptions,
        return_type: str,
        transform: Transform | None,
        enable_sharding: bool,
    ) -> None:
        self._manifest = manifest
        self._options = options
        self._return_type = check_return_type(return_type)
        self._transform = transform
        self._enable_sharding = enable_sharding
        # Asked here because a worker process has no process group.
        self._rank_shard = shard_of_rank() if enable_sharding else WHOLE

    def __len__(self) -> int:
        """Samples this rank yields, over all its workers."""
        return len(self._rank_shard.of(len(self._manifest)))

    def __iter__(self) -> Iterator[Any]:
        manifest = self._manifest
        indices = self._indices_of_this_worker()
        items = [FetchItem(entry.key, entry.size) for entry in (manifest.entries[i] for i in indices)]
        bucket, prefix = manifest.store.bucket, manifest.store.prefix
        with manifest.store.prefetch(
            items,
            window_bytes=self._options.window_bytes,
            window_requests=self._options.window_requests,
            in_order=self._options.in_order,
        ) as stream:
            for position, data in stream:
                yield make_sample(data, bucket, prefix + items[position].key, self._return_type, self._transform)

    def _indices_of_this_worker(self) -> range:
        if self._enable_sharding:
            return shard_of_worker(self._rank_shard).of(len(self._manifest))
        worker = get_worker_info()
        if worker is not None and worker.num_workers > 1 and worker.id == 0:
            warnings.warn(
                f"enable_sharding is off: each of the {worker.num_workers} workers yields every object",
                stacklevel=3,
            )
        return WHOLE.of(len(self._manifest))
