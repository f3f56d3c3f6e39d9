"""What to do with each file or object, as jobs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from s3dlio_core.errors import InvalidArgumentError
from s3dlio_core.moving.found import is_folder
from s3dlio_core.moving.jobs import Job
from s3dlio_core.moving.local import LocalFile, local_store, safe_relative_path
from s3dlio_core.moving.source import Source
from s3dlio_core.moving.target import OnBytes
from s3dlio_core.moving.transfer import copy, transfer
from s3dlio_core.run.steps import Steps
from s3dlio_core.store import Store

__all__ = ["copy_jobs", "download_jobs", "upload_jobs"]


def upload_jobs(files: Iterable[LocalFile], target: Store, front: str) -> list[Job]:
    """One job a file, to the key that is `front` and the file's name.

    Raises:
        InvalidArgumentError: Two files would get the same key.
    """
    # Links have been followed on purpose; the engine would not follow them out of a folder.
    machine = local_store("/")
    jobs: dict[str, Job] = {}
    for file in files:
        key = front + file.name
        if key in jobs:
            raise InvalidArgumentError(f"{jobs[key].name} and {file.path} would both become {target.uri_of(key)}")
        source = Source(machine, os.path.realpath(file.path)[1:], file.name)
        jobs[key] = Job(file.path, file.size, partial(transfer, source, target, key))
    return list(jobs.values())


def download_jobs(sources: Iterable[Source], folder: str | os.PathLike[str]) -> Iterator[Job]:
    """One job an object, to the file in `folder` that has its name; never outside of it."""
    target = local_store(folder)

    def start(source: Source, memory_bytes: int, on_bytes: OnBytes) -> Steps[int]:
        return transfer(source, target, safe_relative_path(source.name), memory_bytes, on_bytes)

    for source in sources:
        # What consoles store to show an empty folder is no file.
        if source.size or not is_folder(source.name):
            yield Job(source.uri, source.size, partial(start, source))


def copy_jobs(sources: Iterable[Source], target: Store, key_of: Callable[[Source], str]) -> Iterator[Job]:
    """One job an object, to the key that `key_of` gives."""
    for source in sources:
        yield Job(source.uri, source.size, partial(copy, source, target, key_of(source)))
