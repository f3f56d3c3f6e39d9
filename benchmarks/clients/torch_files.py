"""torch's own FileSystemWriter and FileSystemReader on a local folder."""

import harness
from harness import Job, Prepared
from states import loading, resharding, saving
from torch.distributed.checkpoint import FileSystemReader, FileSystemWriter


def folder(job: Job) -> str:
    return f"{job.bucket.partition('://')[2]}/{job.prefix}stock"


def save_state(job: Job) -> Prepared:
    return saving(job, lambda: FileSystemWriter(folder(job)))


def load_state(job: Job) -> Prepared:
    return loading(job, lambda: FileSystemWriter(folder(job)), lambda: FileSystemReader(folder(job)))


def load_slices(job: Job) -> Prepared:
    return resharding(job, lambda: FileSystemWriter(folder(job)), lambda: FileSystemReader(folder(job)))


if __name__ == "__main__":
    harness.main("torch", save_state, load_state, load_slices)
