"""S3Checkpoint: files for torch.load() and torch.save(), in the shape of AWS's connector."""

from __future__ import annotations

import os
from typing import Any

from s3dlio_core import ObjectReader
from s3dlio_torch._guarded_writer import GuardedWriter
from s3dlio_torch._stores import Stores
from s3dlio_torch.client_config import store_options_of

__all__ = ["S3Checkpoint"]


class S3Checkpoint:
    """Readers and writers of single objects::

        checkpoint = S3Checkpoint(region="eu-central-1")
        with checkpoint.writer("s3://runs/a/epoch0.pt") as writer:
            torch.save(model.state_dict(), writer)
        with checkpoint.reader("s3://runs/a/epoch0.pt") as reader:
            state = torch.load(reader)

    s3dlio_torch.load() and save() do the same with less words; load() is faster, and compares checksums.

    Args:
        region, endpoint: Of the service; the environment fills what is missing. Kept as attributes.
        s3client_config: An S3ClientConfig, ours or the connector's.
        store_options: As open_store() takes them; `tuning` too. Local paths and file URIs are opened without them.
    """

    def __init__(
        self,
        region: str | None = None,
        endpoint: str | None = None,
        s3client_config: Any = None,
        **store_options: Any,
    ) -> None:
        self.region, self.endpoint = region, endpoint
        options = store_options_of(store_options, region=region, endpoint=endpoint, s3client_config=s3client_config)
        self._stores = Stores(options.pop("tuning", None), options, remote_only=True)

    def reader(self, s3_uri: str | os.PathLike[str]) -> ObjectReader:
        """The object as a seekable file, read ahead.

        Args:
            s3_uri: Of every scheme, or a local path; the name is the connector's.
        Raises:
            ObjectNotFoundError: Nothing is stored there.
        """
        store, key = self._stores.at(s3_uri, "reader")
        return store.open_reader(key)

    def writer(self, s3_uri: str | os.PathLike[str]) -> GuardedWriter:
        """A file to write the object to; it appears when it is closed. Leaving its `with` block by an exception drops
        what was written, and what was there before stays.
        """
        store, key = self._stores.at(s3_uri, "writer")
        return GuardedWriter(store.open_writer(key))
