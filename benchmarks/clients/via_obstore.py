"""obstore: Apache's object_store crate."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import harness
import obstore
from harness import Consume, Job, Work
from obstore.store import S3Store

PIECE = 1 << 20


def open_store(job: Job) -> S3Store:
    options = {"allow_http": True, "timeout": "600s"}
    if job.ca:
        options["root_certificate"] = Path(job.ca).read_bytes()
    return S3Store(
        job.bucket,
        endpoint=job.endpoint,
        region=job.region,
        access_key_id="any",
        secret_access_key="any",
        virtual_hosted_style_request=False,
        client_options=options,
    )


def get_into(job: Job) -> Work:
    store, memory = open_store(job), memoryview(harness.ready_memory(job.size))

    def work(keys: Sequence[str], consume: Consume) -> None:
        for index, key in enumerate(keys):
            at = 0
            for piece in obstore.get(store, key).stream(min_chunk_size=PIECE):  # it has no way to read into memory
                memory[at : at + len(piece)] = piece
                at += len(piece)
            consume(index, memory[:at])

    return work


def get_buffer(job: Job) -> Work:
    store = open_store(job)

    def work(keys: Sequence[str], consume: Consume) -> None:
        for index, key in enumerate(keys):
            consume(index, memoryview(obstore.get(store, key).bytes()))

    return work


def get_many(job: Job) -> Work:
    store = open_store(job)
    loop = asyncio.new_event_loop()

    async def read_all(keys: Sequence[str], consume: Consume) -> None:
        waiting = iter(enumerate(keys))

        async def reader() -> None:
            for index, key in waiting:
                answer = await obstore.get_async(store, key)
                consume(index, memoryview(await answer.bytes_async()))

        await asyncio.gather(*(reader() for _ in range(job.in_flight)))

    def work(keys: Sequence[str], consume: Consume) -> None:
        loop.run_until_complete(read_all(keys, consume))

    return work


def put_large(job: Job) -> Work:
    store, data = open_store(job), harness.payload(job)

    def work(keys: Sequence[str], consume: Consume) -> None:
        for key in keys:
            obstore.put(store, key, data, chunk_size=8 << 20)

    return work


def put_many(job: Job) -> Work:
    store, data = open_store(job), harness.payload(job)
    loop = asyncio.new_event_loop()

    async def write_all(keys: Sequence[str]) -> None:
        waiting = iter(keys)

        async def writer() -> None:
            for key in waiting:
                await obstore.put_async(store, key, data, use_multipart=False)

        await asyncio.gather(*(writer() for _ in range(job.in_flight)))

    def work(keys: Sequence[str], consume: Consume) -> None:
        loop.run_until_complete(write_all(keys))

    return work


def list_keys(job: Job) -> Work:
    store = open_store(job)

    def work(keys: Sequence[str], consume: Consume) -> int:
        return sum(len(page) for page in obstore.list(store, job.prefix, chunk_size=1000))

    return work


if __name__ == "__main__":
    harness.main("obstore", get_into, get_buffer, get_many, put_large, put_many, list_keys)
