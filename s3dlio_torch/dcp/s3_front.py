"""s3torchconnector's names and arguments over our reader and writer: change the import and keep the rest."""

from __future__ import annotations

import os
from typing import Any

from s3dlio_torch.client_config import store_options_of
from s3dlio_torch.dcp.prefix_strategy import PrefixStrategy
from s3dlio_torch.dcp.reader import StorageReader
from s3dlio_torch.dcp.writer import StorageWriter

__all__ = ["S3StorageReader", "S3StorageWriter"]

# Arguments of torch's FileSystemWriter that callers hand on; what they ask for holds here in any case.
_ALWAYS_SO = frozenset(["cache_staged_state_dict", "per_thread_copy_ahead", "single_file_per_rank", "sync_files"])


class S3StorageWriter(StorageWriter):
    """StorageWriter, called as s3torchconnector's.

    Args:
        region: Of the bucket.
        path: "s3://bucket/prefix".
        s3client_config: s3torchconnector's S3ClientConfig, or ours.
        prefix_strategy: Where each rank's objects lie.
        thread_count: Data objects of a rank written at once.
        kwargs: Arguments of StorageWriter. sync_files, single_file_per_rank, per_thread_copy_ahead and
            cache_staged_state_dict of torch's FileSystemWriter are accepted and change nothing.
    """

    def __init__(
        self,
        region: str,
        path: str | os.PathLike[str],
        s3client_config: Any = None,
        prefix_strategy: PrefixStrategy | None = None,
        thread_count: int = 1,
        **kwargs: Any,
    ) -> None:
        kept = {name: value for name, value in kwargs.items() if name not in _ALWAYS_SO}
        place = _place(region, s3client_config, kept)
        super().__init__(path, prefix_strategy=prefix_strategy, thread_count=thread_count, **place)


class S3StorageReader(StorageReader):
    """StorageReader, called as s3torchconnector's.

    Args:
        region, path, s3client_config: As S3StorageWriter.
        reader_constructor: Accepted and not needed: only the bytes a load needs are read, always.
        kwargs: Arguments of StorageReader.
    """

    def __init__(
        self,
        region: str,
        path: str | os.PathLike[str],
        s3client_config: Any = None,
        reader_constructor: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(path, **_place(region, s3client_config, kwargs))


def _place(region: str, config: Any, given: dict[str, Any]) -> dict[str, Any]:
    """The arguments `given`, completed by a region and an S3ClientConfig."""
    kept = dict(given)
    named = {name: kept.pop(name) for name in ("endpoint_url", "profile", "tuning") if kept.get(name) is not None}
    options = store_options_of({**(kept.pop("options", None) or {}), **named}, region=region, s3client_config=config)
    return {"tuning": options.pop("tuning", None), "options": options, **kept}
