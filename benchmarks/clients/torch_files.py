"""torch's own FileSystemWriter and FileSystemReader on a local folder."""

import harness
from harness import Job
from states import state_verbs
from torch.distributed.checkpoint import FileSystemReader, FileSystemWriter


def folder(job: Job) -> str:
    return f"{job.bucket.partition('://')[2]}/{job.prefix}stock"


def writer(job: Job) -> FileSystemWriter:
    return FileSystemWriter(folder(job))


def reader(job: Job) -> FileSystemReader:
    return FileSystemReader(folder(job))


if __name__ == "__main__":
    harness.main("torch", *state_verbs(writer, reader))
