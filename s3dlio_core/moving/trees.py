"""upload and download: many files at once, between this machine and a store."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace

from s3dlio_core.errors import (
    DownloadError,
    InvalidArgumentError,
    ObjectExistsError,
    SomeFailedError,
    UploadError,
    summary_of,
)
from s3dlio_core.moving.found import found, found_async
from s3dlio_core.moving.jobs import Job, OnProgress, Outcome, Progress, run_jobs, run_jobs_async
from s3dlio_core.moving.local import files_of
from s3dlio_core.moving.plan import download_jobs, upload_jobs
from s3dlio_core.store import Store
from s3dlio_core.verbs import store_at

__all__ = ["Progress", "TransferReport", "download", "download_async", "upload", "upload_async"]

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


@dataclass(frozen=True, slots=True)
class TransferReport:
    """What an upload or download did."""

    files: int
    bytes: int
    seconds: float


def upload(
    patterns: Paths,
    dest_uri: str,
    *,
    store: Store | None = None,
    max_in_flight: int = 32,
    create_bucket: bool = False,
    on_progress: OnProgress | None = None,
) -> TransferReport:
    """Upload files; a folder stands for everything below it, a pattern (*, ?, [], **) for what it matches.

    Args:
        patterns: Path or paths. Keys end in the path relative to its folder: "data/" to "s3://b/x/" gives "x/<below
            data>".
        dest_uri: Ends in "/": where to put them. Otherwise the exact URI of one file, or as if it ended in "/".
        store: An open store that `dest_uri` lies in; None: one with the environment's options.
        max_in_flight: Most files under way.
        create_bucket: Make the bucket if it is not there.
        on_progress: Called on this thread at the start, and as pieces and files are done.
    Raises:
        FileNotFoundError: A path that does not exist, a pattern that matches nothing; nothing was sent.
        InvalidArgumentError: Two files would get the same key; nothing was sent.
        UploadError: Some files failed: `.failures` names each; the others are uploaded.
    """
    target, jobs = _planned_upload(patterns, dest_uri, store)
    if create_bucket:
        with contextlib.suppress(ObjectExistsError):
            target.create_bucket()
    return _reported(run_jobs(jobs, max_in_flight, on_progress), "upload", dest_uri, UploadError)


async def upload_async(
    patterns: Paths,
    dest_uri: str,
    *,
    store: Store | None = None,
    max_in_flight: int = 32,
    create_bucket: bool = False,
    on_progress: OnProgress | None = None,
) -> TransferReport:
    """As upload(), on the running loop. The local folders are looked through before the first await."""
    target, jobs = _planned_upload(patterns, dest_uri, store)
    if create_bucket:
        with contextlib.suppress(ObjectExistsError):
            await target.create_bucket_async()
    return _reported(await run_jobs_async(jobs, max_in_flight, on_progress), "upload", dest_uri, UploadError)


def download(
    src_uri: str,
    folder: str | os.PathLike[str],
    *,
    store: Store | None = None,
    recursive: bool = True,
    max_in_flight: int = 64,
    on_progress: OnProgress | None = None,
) -> TransferReport:
    """Download an object, or everything below a URI, into a local folder; never outside of it.

    Args:
        src_uri: Ends in "/" (or is a bucket): everything below it, under the same relative paths. Otherwise one object;
            if there is none, what lies below `src_uri` + "/".
        folder: Made if missing. Files appear under their names when they are complete; unlike put(), this does not wait
            for the disk.
        store: An open store that `src_uri` lies in; None: one with the environment's options.
        recursive: False takes only what lies directly below.
        max_in_flight: Most objects under way.
        on_progress: Called on this thread at the start, and as pieces and files are done.
    Raises:
        ObjectNotFoundError: There is neither such an object nor anything below.
        DownloadError: Some failed, such as keys that lead outside the folder: `.failures` names each; the others are
            there.
    """
    jobs = download_jobs(found(*_place(src_uri, store), recursive=recursive), folder)
    return _reported(run_jobs(jobs, max_in_flight, on_progress), "download", src_uri, DownloadError)


async def download_async(
    src_uri: str,
    folder: str | os.PathLike[str],
    *,
    store: Store | None = None,
    recursive: bool = True,
    max_in_flight: int = 64,
    on_progress: OnProgress | None = None,
) -> TransferReport:
    """As download(), on the running loop; the listing is held in memory as a whole."""
    jobs = download_jobs(await found_async(*_place(src_uri, store), recursive=recursive), folder)
    return _reported(await run_jobs_async(jobs, max_in_flight, on_progress), "download", src_uri, DownloadError)


def _place(uri: str, store: Store | None) -> tuple[Store, str]:
    """The store that `uri` lies in, and the key it is there."""
    if store is None:
        return store_at(uri)
    if not f"{uri}/".startswith(store.uri):
        raise InvalidArgumentError(f'"{uri}" does not lie in the store that is given, {store.uri}')
    return store, uri.removeprefix(store.uri) if uri.startswith(store.uri) else ""


def _planned_upload(patterns: Paths, dest_uri: str, store: Store | None) -> tuple[Store, list[Job]]:
    files = list(files_of(patterns))
    target, key = _place(dest_uri, store)
    if key and not key.endswith("/"):
        if isinstance(patterns, (str, os.PathLike)) and os.path.isfile(patterns):
            return target, upload_jobs([replace(files[0], name="")], target, key)
        target, key = _place(f"{dest_uri}/", store)
    return target, upload_jobs(files, target, key)


def _reported(outcome: Outcome, operation: str, uri: str, error: type[SomeFailedError]) -> TransferReport:
    if outcome.failures:
        raise error(
            summary_of(outcome.failures, outcome.succeeded), failures=outcome.failures, succeeded=outcome.succeeded,
            operation=operation, uri=uri,
        )  # fmt: skip
    return TransferReport(outcome.succeeded, outcome.bytes, outcome.seconds)
