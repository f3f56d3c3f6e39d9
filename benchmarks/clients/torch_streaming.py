"""mosaicml-streaming: the same samples converted to MDS shards before; read from S3 through a local cache."""

import shutil
import tempfile
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import harness
from harness import Consume, Job, Work
from streaming import MDSWriter, StreamingDataset
from streaming.base.util import clean_stale_shared_memory
from torch.utils.data import DataLoader


def put_shards(job: Job) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    base = f"{job.endpoint}/{job.bucket}"
    with tempfile.TemporaryDirectory() as folder:
        with MDSWriter(out=folder, columns={"data": "bytes"}, size_limit=64 << 20) as writer:
            for index in range(job.count):
                with opener.open(f"{base}/{job.prefix}{index:08d}") as sample:
                    writer.write({"data": sample.read()})
        for path in Path(folder).iterdir():
            request = urllib.request.Request(f"{base}/mds/{path.name}", data=path.read_bytes(), method="PUT")
            opener.open(request).close()


def get_samples(job: Job) -> Work:
    put_shards(job)

    def work(keys: Sequence[str], consume: Consume) -> None:
        clean_stale_shared_memory()
        cache = tempfile.mkdtemp()
        try:
            dataset = StreamingDataset(remote=f"s3://{job.bucket}/mds", local=cache, shuffle=False, batch_size=32)
            for index, sample in enumerate(DataLoader(dataset, batch_size=None)):
                consume(index, sample["data"])
        finally:
            shutil.rmtree(cache)

    return work


if __name__ == "__main__":
    harness.main("mosaicml-streaming", get_samples)
