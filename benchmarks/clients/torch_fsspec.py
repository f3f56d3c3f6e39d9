"""torch's own FsspecWriter and FsspecReader over s3fs."""

from typing import Any

import harness
from harness import Job, Prepared
from states import loading, resharding, saving
from torch.distributed.checkpoint._fsspec_filesystem import FsspecReader, FsspecWriter


def access(job: Job) -> dict[str, Any]:
    return {"key": "any", "secret": "any", "endpoint_url": job.endpoint, "skip_instance_cache": True}


def writer(job: Job) -> FsspecWriter:
    return FsspecWriter(f"s3://{job.bucket}/{job.prefix}fsspec", **access(job))


def reader(job: Job) -> FsspecReader:
    return FsspecReader(f"s3://{job.bucket}/{job.prefix}fsspec", **access(job))


def save_state(job: Job) -> Prepared:
    return saving(job, lambda: writer(job))


def load_state(job: Job) -> Prepared:
    return loading(job, lambda: writer(job), lambda: reader(job))


def load_slices(job: Job) -> Prepared:
    return resharding(job, lambda: writer(job), lambda: reader(job))


if __name__ == "__main__":
    harness.main("s3fs", save_state, load_state, load_slices)
