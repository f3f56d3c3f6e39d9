"""The torch datasets of the released s3dlio (a Rust engine)."""

from collections.abc import Sequence

import harness
from harness import Consume, Job, Work
from s3dlio.torch import S3IterableDataset
from torch.utils.data import DataLoader


def get_samples(job: Job) -> Work:
    def work(keys: Sequence[str], consume: Consume) -> None:
        dataset = S3IterableDataset(f"s3://{job.bucket}/{job.prefix}", loader_opts={"prefetch": job.in_flight})
        for index, sample in enumerate(DataLoader(dataset, batch_size=None)):
            consume(index, sample.reshape(-1).numpy())

    return work


if __name__ == "__main__":
    harness.main("s3dlio", get_samples)
