"""s3torchconnector: mountpoint-s3's client over the AWS common runtime, as its datasets and checkpoints use it."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import harness
from harness import Consume, Job, Work
from s3torchconnector import S3ClientConfig
from s3torchconnector._s3client import S3Client


def open_client(job: Job) -> S3Client:
    config = S3ClientConfig(force_path_style=True, part_size=8 << 20)
    return S3Client(job.region, endpoint=job.endpoint, s3client_config=config)


def get_into(job: Job) -> Work:
    client, memory = open_client(job), memoryview(harness.ready_memory(job.size))

    def work(keys: Sequence[str], consume: Consume) -> None:
        for index, key in enumerate(keys):
            reader, at = client.get_object(job.bucket, key), 0
            while count := reader.readinto(memory[at:]):
                at += count
            consume(index, memory[:at])

    return work


def get_buffer(job: Job) -> Work:
    client = open_client(job)

    def work(keys: Sequence[str], consume: Consume) -> None:
        for index, key in enumerate(keys):
            consume(index, client.get_object(job.bucket, key).read())

    return work


def get_many(job: Job) -> Work:
    client, threads = open_client(job), ThreadPoolExecutor(job.threads)

    def work(keys: Sequence[str], consume: Consume) -> None:
        def read(item: tuple[int, str]) -> None:
            consume(item[0], client.get_object(job.bucket, item[1]).read())

        list(threads.map(read, enumerate(keys)))

    return work


def put_large(job: Job) -> Work:
    client, data = open_client(job), harness.payload(job)

    def work(keys: Sequence[str], consume: Consume) -> None:
        for key in keys:
            with client.put_object(job.bucket, key) as writer:
                writer.write(data)

    return work


def put_many(job: Job) -> Work:
    client, threads, data = open_client(job), ThreadPoolExecutor(job.threads), harness.payload(job)

    def write(key: str) -> None:
        with client.put_object(job.bucket, key) as writer:
            writer.write(data)

    def work(keys: Sequence[str], consume: Consume) -> None:
        list(threads.map(write, keys))

    return work


def list_keys(job: Job) -> Work:
    client = open_client(job)

    def work(keys: Sequence[str], consume: Consume) -> int:
        return sum(len(page.object_info) for page in client.list_objects(job.bucket, job.prefix))

    return work


if __name__ == "__main__":
    harness.main("s3torchconnector", get_into, get_buffer, get_many, put_large, put_many, list_keys)
