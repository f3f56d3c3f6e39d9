"""s3fs: the fsspec file system over aiobotocore, by its verbs for whole objects. It has no way to read into memory."""

from collections.abc import Sequence

import harness
import s3fs
from harness import Consume, Job, Work

BATCH = 1000  # cat and pipe hold all their objects


def open_filesystem(job: Job) -> s3fs.S3FileSystem:
    return s3fs.S3FileSystem(
        key="any",
        secret="any",
        endpoint_url=job.endpoint,
        client_kwargs={"region_name": job.region, "verify": job.ca} if job.ca else {"region_name": job.region},
        config_kwargs={"s3": {"addressing_style": "path"}, "max_pool_connections": job.in_flight},
        skip_instance_cache=True,
        use_listings_cache=False,
    )


def get_buffer(job: Job) -> Work:
    files = open_filesystem(job)

    def work(keys: Sequence[str], consume: Consume) -> None:
        for index, key in enumerate(keys):
            consume(index, files.cat_file(f"{job.bucket}/{key}"))

    return work


def get_into(job: Job) -> Work:
    return get_buffer(job)


def get_many(job: Job) -> Work:
    files = open_filesystem(job)

    def work(keys: Sequence[str], consume: Consume) -> None:
        places = {f"{job.bucket}/{key}": index for index, key in enumerate(keys)}
        paths = list(places)
        for start in range(0, len(paths), BATCH):
            batch = paths[start : start + BATCH]
            answer = files.cat(batch, batch_size=job.in_flight)
            for path, data in answer.items() if len(batch) > 1 else [(batch[0], files.cat_file(batch[0]))]:
                consume(places[path], data)

    return work


def put_large(job: Job) -> Work:
    files, data = open_filesystem(job), harness.payload(job)

    def work(keys: Sequence[str], consume: Consume) -> None:
        for key in keys:
            files.pipe_file(f"{job.bucket}/{key}", data)

    return work


def put_many(job: Job) -> Work:
    files, data = open_filesystem(job), harness.payload(job)

    def work(keys: Sequence[str], consume: Consume) -> None:
        files.pipe({f"{job.bucket}/{key}": data for key in keys}, batch_size=job.in_flight)

    return work


def list_keys(job: Job) -> Work:
    files = open_filesystem(job)

    def work(keys: Sequence[str], consume: Consume) -> int:
        return len(files.find(f"{job.bucket}/{job.prefix}"))

    return work


if __name__ == "__main__":
    harness.main("s3fs", get_into, get_buffer, get_many, put_large, put_many, list_keys)
