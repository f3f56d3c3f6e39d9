"""upload and download: many files at once, between this machine and a store."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from s3dlio_core._ext import ObjectMeta
from s3dlio_core._local import LocalFile, files_of, safe_relative_path
from s3dlio_core._many import Steps, run_many, run_many_async
from s3dlio_core._transfer import transfer
from s3dlio_core.errors import (
    DownloadError,
    InvalidArgumentError,
    ObjectExistsError,
    ObjectNotFoundError,
    SomeFailedError,
    UploadError,
    summary_of,
)
from s3dlio_core.store import Store
from s3dlio_core.store._put import put_options
from s3dlio_core.verbs import store_at

__all__ = ["Progress", "TransferReport", "download", "download_async", "upload", "upload_async"]

Paths = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an upload or download is; failed files count as done, with the bytes that were moved."""

    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class TransferReport:
    """What an upload or download did."""

    files: int
    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class _Job:
    name: str  # for messages: what was asked for
    size: int
    start: Callable[[Callable[[int], None]], Steps[int]]


def upload(
    patterns: Paths,
    dest_uri: str,
    *,
    max_in_flight: int = 32,
    create_bucket: bool = False,
    on_progress: OnProgress | None = None,
) -> TransferReport:
    """Upload files; a folder stands for everything below it, a pattern (*, ?, [], **) for what it matches.

    Args:
        patterns: Path or paths. Keys end in the path relative to its folder: "data/" to "s3://b/x/" gives "x/<below
            data>".
        dest_uri: Ends in "/": where to put them. Otherwise the exact URI of one file, or as if it ended in "/".
        max_in_flight: Most files under way.
        create_bucket: Make the bucket if it is not there.
        on_progress: Called on this thread as pieces and files are done.
    Raises:
        FileNotFoundError: A path that does not exist, a pattern that matches nothing; nothing was sent.
        InvalidArgumentError: Two files would get the same key; nothing was sent.
        UploadError: Some files failed: `.failures` names each; the others are uploaded.
    """
    jobs = _upload_jobs(patterns, dest_uri)
    if create_bucket:
        with contextlib.suppress(ObjectExistsError):
            store_at(dest_uri)[0].create_bucket()
    batch = _Batch(jobs, on_progress)
    run_many(batch.tasks(), max_in_flight)
    return batch.report("upload", dest_uri, UploadError)


async def upload_async(
    patterns: Paths,
    dest_uri: str,
    *,
    max_in_flight: int = 32,
    create_bucket: bool = False,
    on_progress: OnProgress | None = None,
) -> TransferReport:
    """As upload(), on the running loop. The local folders are looked through before the first await."""
    jobs = _upload_jobs(patterns, dest_uri)
    if create_bucket:
        with contextlib.suppress(ObjectExistsError):
            await store_at(dest_uri)[0].create_bucket_async()
    batch = _Batch(jobs, on_progress)
    await run_many_async(batch.tasks(), max_in_flight)
    return batch.report("upload", dest_uri, UploadError)


def download(
    src_uri: str,
    folder: str | os.PathLike[str],
    *,
    recursive: bool = True,
    max_in_flight: int = 64,
    on_progress: OnProgress | None = None,
) -> TransferReport:
    """Download an object, or everything below a URI, into a local folder; never outside of it.

    Args:
        src_uri: Ends in "/" (or is a bucket): everything below it, under the same relative paths. Otherwise one object;
            if there is none, what lies below `src_uri` + "/".
        folder: Made if missing. Files appear under their names when they are complete.
        recursive: False takes only what lies directly below.
        max_in_flight: Most objects under way.
        on_progress: Called on this thread as pieces and files are done.
    Raises:
        ObjectNotFoundError: There is neither such an object nor anything below.
        DownloadError: Some failed, such as keys that lead outside the folder: `.failures` names each; the others are
            there.
    """
    store, key = store_at(src_uri)
    single = _single(store, key)
    metas = [single] if single else _below(store, src_uri, key, recursive)
    batch = _Batch(_download_jobs(store, key, metas, single is not None, folder), on_progress)
    run_many(batch.tasks(), max_in_flight)
    return batch.report("download", src_uri, DownloadError)


async def download_async(
    src_uri: str,
    folder: str | os.PathLike[str],
    *,
    recursive: bool = True,
    max_in_flight: int = 64,
    on_progress: OnProgress | None = None,
) -> TransferReport:
    """As download(), on the running loop."""
    store, key = store_at(src_uri)
    single = await _single_async(store, key)
    metas = [single] if single else await _below_async(store, src_uri, key, recursive)
    batch = _Batch(_download_jobs(store, key, metas, single is not None, folder), on_progress)
    await run_many_async(batch.tasks(), max_in_flight)
    return batch.report("download", src_uri, DownloadError)


class _Batch:
    """Jobs, how far they are, and which failed."""

    def __init__(self, jobs: Sequence[_Job], on_progress: OnProgress | None) -> None:
        self._jobs = jobs
        self._on_progress = on_progress
        self._started = time.perf_counter()
        self._total_bytes = sum(job.size for job in jobs)
        self._files = 0
        self._bytes = 0
        self._failures: list[tuple[str, Exception]] = []

    def tasks(self) -> Iterable[Steps[None]]:
        return map(self._run, self._jobs)

    def report(self, operation: str, uri: str, error: type[SomeFailedError]) -> TransferReport:
        succeeded = len(self._jobs) - len(self._failures)
        if self._failures:
            raise error(
                summary_of(self._failures, succeeded), failures=self._failures, succeeded=succeeded,
                operation=operation, uri=uri,
            )  # fmt: skip
        return TransferReport(succeeded, self._bytes, time.perf_counter() - self._started)

    def _run(self, job: _Job) -> Steps[None]:
        try:
            yield from job.start(self._moved)
        except Exception as error:  # reported at the end; the others go on
            self._failures.append((job.name, error))
        self._files += 1
        self._tell()

    def _moved(self, count: int) -> None:
        self._bytes += count
        self._tell()

    def _tell(self) -> None:
        if self._on_progress is not None:
            self._on_progress(Progress(self._files, len(self._jobs), self._bytes, self._total_bytes))


def _upload_jobs(patterns: Paths, dest_uri: str) -> list[_Job]:
    files = list(files_of(patterns))
    one_path = isinstance(patterns, (str, os.PathLike)) and os.path.isfile(patterns)
    target, front = store_at(dest_uri)
    if front and not (one_path or front.endswith("/")):
        target, front = store_at(dest_uri + "/")
    exact = bool(front) and not front.endswith("/")
    jobs: dict[str, _Job] = {}
    for file in files:
        key = front if exact else front + file.name
        if key in jobs:
            raise InvalidArgumentError(f"{jobs[key].name} and {file.path} would both become {target.uri_of(key)}")
        jobs[key] = _Job(file.path, file.size, _uploading(file, target, key))
    return list(jobs.values())


def _uploading(file: LocalFile, target: Store, key: str) -> Callable[[Callable[[int], None]], Steps[int]]:
    def start(on_bytes: Callable[[int], None]) -> Steps[int]:
        # Links have been followed on purpose; the engine would not follow them out of the folder.
        source, name = store_at(f"file://{os.path.realpath(file.path)}")
        return transfer(source, name, target, key, options=put_options("upload", key), on_bytes=on_bytes)

    return start


def _single(store: Store, key: str) -> ObjectMeta | None:
    """The one object that is meant; None where it is a folder."""
    if not key or key.endswith("/"):
        return None
    try:
        return store.head(key)
    except ObjectNotFoundError:
        return None


async def _single_async(store: Store, key: str) -> ObjectMeta | None:
    if not key or key.endswith("/"):
        return None
    try:
        return await store.head_async(key)
    except ObjectNotFoundError:
        return None


def _below(store: Store, uri: str, key: str, recursive: bool) -> list[ObjectMeta]:
    front = _as_folder(key)
    found = list(store.list(front)) if recursive else store.list_with_delimiter(front).objects
    return _something(found, uri)


async def _below_async(store: Store, uri: str, key: str, recursive: bool) -> list[ObjectMeta]:
    front = _as_folder(key)
    if recursive:
        return _something([meta async for meta in store.list_async(front)], uri)
    return _something((await store.list_with_delimiter_async(front)).objects, uri)


def _something(found: list[ObjectMeta], uri: str) -> list[ObjectMeta]:
    if not found:
        raise ObjectNotFoundError("there is no such object, and nothing lies below", operation="download", uri=uri)
    return found


def _as_folder(key: str) -> str:
    return key if not key or key.endswith("/") else key + "/"


def _download_jobs(
    store: Store, key: str, metas: list[ObjectMeta], is_single: bool, folder: str | os.PathLike[str]
) -> list[_Job]:
    target, _ = store_at(f"file://{os.path.abspath(folder)}/")
    front = key[: key.rfind("/") + 1] if is_single else _as_folder(key)
    jobs = []
    for meta in metas:
        name = meta.key[len(front) :]
        # What consoles store to show an empty folder is no file.
        if meta.size == 0 and (not name or name.endswith("/")):
            continue
        jobs.append(_Job(meta.uri, meta.size, _downloading(store, meta.key, target, name)))
    return jobs


def _downloading(store: Store, key: str, target: Store, name: str) -> Callable[[Callable[[int], None]], Steps[int]]:
    def start(on_bytes: Callable[[int], None]) -> Steps[int]:
        safe = safe_relative_path(name)
        return (yield from transfer(store, key, target, safe, options=put_options("download", safe), on_bytes=on_bytes))

    return start
