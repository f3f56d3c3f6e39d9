"""The engine of this project, through its Python face."""

from collections.abc import Sequence

import harness
from harness import Consume, Job, Work

import s3dlio_core


def open_store(job: Job) -> s3dlio_core.Store:
    tuning = s3dlio_core.Tuning(**job.tuning)
    if not job.endpoint:
        return s3dlio_core.open_store(job.bucket, tuning=tuning)  # a file:// or direct:// folder
    return s3dlio_core.open_store(
        f"s3://{job.bucket}",
        tuning=tuning,
        endpoint_url=job.endpoint,
        region=job.region,
        addressing="path",
        access_key_id="any",
        secret_access_key="any",
        ca_bundle=job.ca,
        **job.store_options,
    )


def get_into(job: Job) -> Work:
    store, memory = open_store(job), memoryview(harness.ready_memory(job.size))

    def work(keys: Sequence[str], consume: Consume) -> None:
        for index, key in enumerate(keys):
            store.get_into(key, memory)
            consume(index, memory)

    return work


def get_buffer(job: Job) -> Work:
    store = open_store(job)

    def work(keys: Sequence[str], consume: Consume) -> None:
        for index, key in enumerate(keys):
            consume(index, store.get(key))

    return work


def get_many(job: Job) -> Work:
    store = open_store(job)

    def work(keys: Sequence[str], consume: Consume) -> None:
        with store.prefetch(keys) as objects:
            for index, data in objects:
                consume(index, data)

    return work


def put_large(job: Job) -> Work:
    store, memory = open_store(job), harness.ready_memory(job.size)

    def work(keys: Sequence[str], consume: Consume) -> None:
        for key in keys:
            store.put(key, memory)

    return work


def put_many(job: Job) -> Work:
    store, memory = open_store(job), harness.ready_memory(job.size)

    def work(keys: Sequence[str], consume: Consume) -> None:
        store.put_many((key, memory) for key in keys)

    return work


def list_keys(job: Job) -> Work:
    store = open_store(job)

    def work(keys: Sequence[str], consume: Consume) -> int:
        return sum(1 for _ in store.list(job.prefix))

    return work


if __name__ == "__main__":
    harness.main("s3dlio-torch", get_into, get_buffer, get_many, put_large, put_many, list_keys)
