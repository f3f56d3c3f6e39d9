"""The released s3dlio (a Rust engine). Endpoint, credentials and CA reach it through the environment."""

import asyncio
from collections.abc import Sequence

import harness
import s3dlio
from harness import Consume, Job, Work

BATCH = 1000  # get_many holds its whole result; a loader would ask for a batch at a time


def uri(job: Job, key: str) -> str:
    return f"s3://{job.bucket}/{key}" if job.endpoint else f"{job.bucket}/{key}"


def get_into(job: Job) -> Work:
    if not job.endpoint:
        return get_buffer(job)  # files have no such verb
    memory = memoryview(harness.ready_memory(job.size))
    loop = asyncio.new_event_loop()

    async def read(key: str) -> None:
        await s3dlio.get_into_async(uri(job, key), memory, expected_len=job.size)

    def work(keys: Sequence[str], consume: Consume) -> None:
        for index, key in enumerate(keys):
            loop.run_until_complete(read(key))
            consume(index, memory)

    return work


def get_buffer(job: Job) -> Work:
    def work(keys: Sequence[str], consume: Consume) -> None:
        for index, key in enumerate(keys):
            consume(index, memoryview(s3dlio.get(uri(job, key))))

    return work


def get_many(job: Job) -> Work:
    def work(keys: Sequence[str], consume: Consume) -> None:
        places = {uri(job, key): index for index, key in enumerate(keys)}
        uris = list(places)
        for start in range(0, len(uris), BATCH):
            for name, data in s3dlio.get_many(uris[start : start + BATCH], max_in_flight=job.in_flight):
                consume(places[name], memoryview(data))

    return work


def put_large(job: Job) -> Work:
    data = harness.payload(job)

    def work(keys: Sequence[str], consume: Consume) -> None:
        for key in keys:
            s3dlio.put_bytes(uri(job, key), data)

    return work


def put_many(job: Job) -> Work:
    data = harness.payload(job)

    def work(keys: Sequence[str], consume: Consume) -> None:
        s3dlio.put_many([(uri(job, key), data) for key in keys], max_in_flight=job.in_flight)

    return work


def list_keys(job: Job) -> Work:
    def work(keys: Sequence[str], consume: Consume) -> int:
        return len(s3dlio.list(uri(job, job.prefix), recursive=True))

    return work


if __name__ == "__main__":
    harness.main("s3dlio", get_into, get_buffer, get_many, put_large, put_many, list_keys)
