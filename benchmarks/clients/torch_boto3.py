"""torch's DataLoader over boto3: a map dataset that gets one object an item, in two worker processes."""

from collections.abc import Sequence
from typing import Any

import boto3
import harness
from botocore.config import Config
from harness import Consume, Job, Work
from torch.utils.data import DataLoader, Dataset

WORKERS = 2


class Objects(Dataset[bytes]):
    """One object an item; each worker has a client of its own."""

    def __init__(self, job: Job, keys: Sequence[str]) -> None:
        self._job, self._keys, self._client = job, keys, None

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, index: int) -> bytes:
        client = self._opened()
        data: bytes = client.get_object(Bucket=self._job.bucket, Key=self._keys[index])["Body"].read()
        return data

    def _opened(self) -> Any:
        if self._client is None:
            config = Config(s3={"addressing_style": "path"})
            self._client = boto3.client("s3", endpoint_url=self._job.endpoint, config=config)
        return self._client


def get_samples(job: Job) -> Work:
    def work(keys: Sequence[str], consume: Consume) -> None:
        for index, sample in enumerate(DataLoader(Objects(job, keys), batch_size=None, num_workers=WORKERS)):
            consume(index, sample)

    return work


if __name__ == "__main__":
    harness.main("boto3", get_samples)
