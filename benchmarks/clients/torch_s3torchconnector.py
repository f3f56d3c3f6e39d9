"""s3torchconnector's datasets and checkpoint storage. Its checkpoint classes take the endpoint from the environment."""

from collections.abc import Sequence

import harness
from harness import Consume, Job, Work
from s3torchconnector import S3ClientConfig, S3IterableDataset
from s3torchconnector.dcp import S3StorageReader, S3StorageWriter
from states import state_verbs
from torch.utils.data import DataLoader

CONFIG = S3ClientConfig(force_path_style=True)


def get_samples(job: Job) -> Work:
    def work(keys: Sequence[str], consume: Consume) -> None:
        dataset = S3IterableDataset.from_prefix(
            f"s3://{job.bucket}/{job.prefix}",
            region=job.region,
            endpoint=job.endpoint,
            transform=lambda reader: reader.read(),
            s3client_config=CONFIG,
        )
        for index, sample in enumerate(DataLoader(dataset, batch_size=None)):
            consume(index, sample)

    return work


def writer(job: Job) -> S3StorageWriter:
    return S3StorageWriter(job.region, f"s3://{job.bucket}/{job.prefix}connector", s3client_config=CONFIG)


def reader(job: Job) -> S3StorageReader:
    return S3StorageReader(job.region, f"s3://{job.bucket}/{job.prefix}connector", s3client_config=CONFIG)


if __name__ == "__main__":
    harness.main("s3torchconnector", get_samples, *state_verbs(writer, reader))
