"""Objects below a prefix by index; a batch of indices is one call into the engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from torch.utils.data import Dataset

from s3dlio_torch.manifest import Manifest, manifest_of_objects, manifest_of_prefix
from s3dlio_torch.sample import Transform, check_return_type, make_sample


class S3MapDataset(Dataset[Any]):
    """One sample an object, by position in the listing (ascending by key). Samplers do shuffling and sharding.

    Args:
        uri: Prefix to read, e.g. "s3://bucket/train/". Listed once, when the dataset is made.
        return_type: "tensor" (uint8, shape [size], over the received memory), "bytes" or "reader" (a SampleReader).
        transform: Called with the sample; what it returns is the item.
        store_options: Passed to open_store: endpoint_url, region, profile, tuning, ...
    Raises:
        StorageError: While listing, or when an object cannot be read.
    """

    def __init__(
        self,
        uri: str,
        *,
        return_type: str = "tensor",
        transform: Transform | None = None,
        **store_options: Any,
    ) -> None:
        self._set_up(manifest_of_prefix(uri, **store_options), return_type, transform)

    @classmethod
    def from_prefix(
        cls,
        uri: str,
        *,
        region: str | None = None,
        endpoint: str | None = None,
        transform: Transform | None = None,
        **store_options: Any,
    ) -> S3MapDataset:
        """The shape of AWS's connector: `transform` gets a seekable reader with `.bucket` and `.key`."""
        dataset = cls.__new__(cls)
        manifest = manifest_of_prefix(uri, region=region, endpoint_url=endpoint, **store_options)
        dataset._set_up(manifest, "reader", transform)
        return dataset

    @classmethod
    def from_objects(
        cls,
        object_uris: str | Iterable[str],
        *,
        region: str | None = None,
        endpoint: str | None = None,
        transform: Transform | None = None,
        **store_options: Any,
    ) -> S3MapDataset:
        """As from_prefix, over the given objects in the given order; nothing is listed."""
        dataset = cls.__new__(cls)
        uris = [object_uris] if isinstance(object_uris, str) else object_uris
        manifest = manifest_of_objects(uris, region=region, endpoint_url=endpoint, **store_options)
        dataset._set_up(manifest, "reader", transform)
        return dataset

    def _set_up(self, manifest: Manifest, return_type: str, transform: Transform | None) -> None:
        self._manifest = manifest
        self._return_type = check_return_type(return_type)
        self._transform = transform

    def __len__(self) -> int:
        return len(self._manifest)

    def __getitem__(self, index: int) -> Any:
        entry = self._manifest.entries[self._checked(index)]
        data = self._manifest.store.get(entry.key, size=entry.size)
        return self._sample(entry.key, data)

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """The samples at `indices`, in that order, fetched together. DataLoader calls this for each batch."""
        keys = [self._manifest.entries[self._checked(index)].key for index in indices]
        fetched = self._manifest.store.get_many(keys)
        return [self._sample(key, data) for key, data in zip(keys, fetched, strict=True)]

    def _sample(self, key: str, data: Any) -> Any:
        store = self._manifest.store
        return make_sample(data, store.bucket, store.prefix + key, self._return_type, self._transform)

    def _checked(self, index: int) -> int:
        total = len(self._manifest)
        if not -total <= index < total:
            raise IndexError(f"index {index} is outside [{-total}, {total})")
        return index
