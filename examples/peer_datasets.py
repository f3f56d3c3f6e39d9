"""The usual way to read the same objects, to compare with: boto3 for s3://, plain file reads elsewhere."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from torch.utils.data import IterableDataset


class KeyedBytes(io.BytesIO):
    """A file in memory that knows its key."""

    def __init__(self, data: bytes, key: str) -> None:
        super().__init__(data)
        self.key = key


class PlainDataset(IterableDataset[Any]):
    """One whole read after the other, as a hand-written dataset does it."""

    def __init__(self, uris: list[str], read: Callable[[str], bytes], transform: Callable[[Any], Any]) -> None:
        self._uris, self._read, self._transform = uris, read, transform

    def __iter__(self) -> Iterator[Any]:
        for uri in self._uris:
            yield self._transform(KeyedBytes(self._read(uri), uri))


def plain_reader(uris: list[str], transform: Callable[[Any], Any]) -> tuple[str, PlainDataset]:
    """A name for the client and a dataset that reads `uris` with it."""
    if not uris[0].startswith("s3://"):
        return "open().read()", PlainDataset(uris, lambda uri: Path(uri.split("://", 1)[1]).read_bytes(), transform)
    import boto3

    client = boto3.client("s3")

    def get(uri: str) -> bytes:
        bucket, key = uri.removeprefix("s3://").split("/", 1)
        return client.get_object(Bucket=bucket, Key=key)["Body"].read()

    return "boto3", PlainDataset(uris, get, transform)
