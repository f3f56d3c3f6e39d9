"""boto3: the AWS SDK; its transfer manager for large puts, threads for many objects."""

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import harness
from botocore.config import Config
from harness import Consume, Job, Work


def open_client(job: Job) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=job.endpoint,
        region_name=job.region,
        aws_access_key_id="any",
        aws_secret_access_key="any",
        verify=job.ca,
        config=Config(s3={"addressing_style": "path"}, max_pool_connections=32),
    )


def get_into(job: Job) -> Work:
    client, memory = open_client(job), memoryview(harness.ready_memory(job.size))

    def work(keys: Sequence[str], consume: Consume) -> None:
        for index, key in enumerate(keys):
            body, at = client.get_object(Bucket=job.bucket, Key=key)["Body"], 0
            while count := body.readinto(memory[at : at + (1 << 20)]):
                at += count
            consume(index, memory[:at])

    return work


def get_buffer(job: Job) -> Work:
    client = open_client(job)

    def work(keys: Sequence[str], consume: Consume) -> None:
        for index, key in enumerate(keys):
            consume(index, client.get_object(Bucket=job.bucket, Key=key)["Body"].read())

    return work


def get_many(job: Job) -> Work:
    client, threads = open_client(job), ThreadPoolExecutor(job.threads)

    def work(keys: Sequence[str], consume: Consume) -> None:
        def read(item: tuple[int, str]) -> None:
            consume(item[0], client.get_object(Bucket=job.bucket, Key=item[1])["Body"].read())

        list(threads.map(read, enumerate(keys)))

    return work


def put_large(job: Job) -> Work:
    client, data = open_client(job), harness.payload(job)

    def work(keys: Sequence[str], consume: Consume) -> None:
        for key in keys:
            client.upload_fileobj(io.BytesIO(data), job.bucket, key)

    return work


def put_many(job: Job) -> Work:
    client, threads, data = open_client(job), ThreadPoolExecutor(job.threads), harness.payload(job)

    def work(keys: Sequence[str], consume: Consume) -> None:
        list(threads.map(lambda key: client.put_object(Bucket=job.bucket, Key=key, Body=data), keys))

    return work


def list_keys(job: Job) -> Work:
    client = open_client(job)

    def work(keys: Sequence[str], consume: Consume) -> int:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=job.bucket, Prefix=job.prefix)
        return sum(len(page.get("Contents", [])) for page in pages)

    return work


if __name__ == "__main__":
    harness.main("boto3", get_into, get_buffer, get_many, put_large, put_many, list_keys)
