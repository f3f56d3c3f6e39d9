"""webdataset: the same samples in tar shards of about 64 MiB, which are made before and read through curl."""

import io
import tarfile
import urllib.request
from collections.abc import Sequence

import harness
import webdataset
from harness import Consume, Job, Work
from torch.utils.data import DataLoader

SHARD_BYTES = 64 << 20


def put_shards(job: Job) -> list[str]:
    """Stores the shards beside the samples; their URLs."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    base = f"{job.endpoint}/{job.bucket}"
    per_shard = max(1, SHARD_BYTES // job.size)
    urls = []
    for start in range(0, job.count, per_shard):
        memory = io.BytesIO()
        with tarfile.open(fileobj=memory, mode="w") as shard:
            for index in range(start, min(job.count, start + per_shard)):
                entry = tarfile.TarInfo(f"{index:08d}.bin")
                entry.size = job.size
                with opener.open(f"{base}/{job.prefix}{index:08d}") as sample:
                    shard.addfile(entry, io.BytesIO(sample.read()))
        urls.append(f"{base}/shards/{start:08d}.tar")
        opener.open(urllib.request.Request(urls[-1], data=memory.getvalue(), method="PUT")).close()
    return urls


def get_samples(job: Job) -> Work:
    urls = put_shards(job)

    def work(keys: Sequence[str], consume: Consume) -> None:
        pipes = [f"pipe:curl -s -f --noproxy '*' {url}" for url in urls]
        samples = webdataset.WebDataset(pipes, shardshuffle=False).to_tuple("bin")
        for index, (sample,) in enumerate(DataLoader(samples, batch_size=None)):
            consume(index, sample)

    return work


if __name__ == "__main__":
    harness.main("webdataset", get_samples)
