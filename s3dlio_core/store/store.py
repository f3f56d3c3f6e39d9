"""Store and how one is opened."""

from __future__ import annotations

import os
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from s3dlio_core.errors import InvalidArgumentError
from s3dlio_core.options import checksum_tuning
from s3dlio_core.store._fetch import FetchVerbs
from s3dlio_core.store._reader import ObjectReader, open_reader
from s3dlio_core.tuning import Tuning
from s3dlio_core.uri import parse_uri

__all__ = ["Store", "open_store"]


class Store(FetchVerbs):
    """Objects under keys, below one place in a store. Open one with open_store().

    Any thread may use it. It survives fork (the child opens connections of its own at its first call), and pickles (by
    URI, options and tuning; credentials only where they were given explicitly).
    """

    def open_reader(
        self,
        key: str,
        *,
        version_id: str | None = None,
        read_ahead_bytes: int | None = None,
        size: int | None = None,
        etag: str | None = None,
    ) -> ObjectReader:
        """One object as a seekable raw binary file, for np.load, torch.load, zipfile, h5py, io.BufferedReader, ...

        Args:
            read_ahead_bytes: Largest window fetched ahead; None: 8 MiB. 0 fetches only what is asked for.
            size: With etag, both of a listing: nothing is asked of the store before the first read, which fails if the
                object is another one by then.
            etag: See size.
        Raises:
            ObjectNotFoundError: Nothing is stored under `key`.
        """
        return open_reader(self, key, version_id=version_id, read_ahead_bytes=read_ahead_bytes, size=size, etag=etag)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self.uri, self._tuning, self._given_options)

    def __repr__(self) -> str:
        return f"Store({self.uri!r}{', closed' if self._closed else ''})"


def open_store(uri: str | os.PathLike[str], *, tuning: Tuning | None = None, **options: Any) -> Store:
    """Open a place in a store; nothing is sent yet.

    Args:
        uri: "s3://bucket/prefix/", "file:///folder/" (page cache) or "direct:///folder/" (O_DIRECT). Keys are below it;
            a missing slash at its end is added.
        tuning: Sizes, windows, times, retries; None: Tuning.from_environment(), for s3 with checksums as
            AWS_REQUEST_CHECKSUM_CALCULATION and AWS_RESPONSE_CHECKSUM_VALIDATION want them.
        options: For s3: the fields of S3Options (region, endpoint_url, profile, ...); the environment fills what is
            missing.
    Raises:
        InvalidArgumentError: A URI, option or environment variable that makes no sense; the message names it.
        TypeError: An unknown option; the message lists the valid ones.
    """
    location = parse_uri(uri)
    if location.key and not location.key.endswith("/"):
        location = location._replace(key=location.key + "/")
    if tuning is not None and not isinstance(tuning, Tuning):
        raise InvalidArgumentError(f"tuning is a {type(tuning).__name__}; expected s3dlio_core.Tuning")
    given = {name: value for name, value in options.items() if value is not None}
    if tuning is None:
        tuning = Tuning.from_environment()
        if not location.is_file and (checksums := checksum_tuning(given.get("profile"))):
            tuning = replace(tuning, **checksums)  # type: ignore[arg-type]
    return Store(location, tuning, given)


def _reopen(uri: str, tuning: Tuning, options: dict[str, Any]) -> Store:
    return open_store(uri, tuning=tuning, **options)
