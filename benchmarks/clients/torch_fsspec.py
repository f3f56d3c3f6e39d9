"""torch's own FsspecWriter and FsspecReader over s3fs."""

from typing import Any

import harness
from harness import Job
from states import state_verbs
from torch.distributed.checkpoint._fsspec_filesystem import FsspecReader, FsspecWriter


def access(job: Job) -> dict[str, Any]:
    return {"key": "any", "secret": "any", "endpoint_url": job.endpoint, "skip_instance_cache": True}


def writer(job: Job) -> FsspecWriter:
    return FsspecWriter(f"s3://{job.bucket}/{job.prefix}fsspec", **access(job))


def reader(job: Job) -> FsspecReader:
    return FsspecReader(f"s3://{job.bucket}/{job.prefix}fsspec", **access(job))


if __name__ == "__main__":
    harness.main("s3fs", *state_verbs(writer, reader))
