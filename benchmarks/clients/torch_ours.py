"""This project's datasets, checkpoint storage and weights loader, as its pages say to use them."""

from collections.abc import Sequence
from typing import Any

import harness
from harness import Consume, Job, Prepared, Work
from states import state_verbs, weights
from torch.utils.data import DataLoader

from s3dlio_torch import S3IterableDataset, safetensors
from s3dlio_torch.dcp import StorageReader, StorageWriter


def uri(job: Job, name: str) -> str:
    return f"s3://{job.bucket}/{name}" if job.endpoint else f"{job.bucket}/{name}"


def access(job: Job) -> dict[str, Any]:
    return {"endpoint_url": job.endpoint, "region": job.region} if job.endpoint else {}


def get_samples(job: Job) -> Work:
    def work(keys: Sequence[str], consume: Consume) -> None:
        dataset = S3IterableDataset(uri(job, job.prefix), **access(job), addressing="path")
        for index, sample in enumerate(DataLoader(dataset, batch_size=None)):
            consume(index, sample.numpy())

    return work


def writer(job: Job) -> StorageWriter:
    return StorageWriter(uri(job, f"{job.prefix}ours/"), options=job.store_options, **access(job))


def reader(job: Job) -> StorageReader:
    return StorageReader(uri(job, f"{job.prefix}ours/"), **access(job))


def load_weights(job: Job) -> Prepared:
    name = uri(job, f"{job.prefix}model.safetensors")
    return weights(
        job,
        lambda state: safetensors.save_file(state, name, **access(job)),
        lambda: safetensors.load_file(name, **access(job)),
    )


if __name__ == "__main__":
    harness.main("s3dlio-torch", get_samples, *state_verbs(writer, reader), load_weights)
