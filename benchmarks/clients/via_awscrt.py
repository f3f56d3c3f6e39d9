"""awscrt: the AWS common runtime's S3 client by its own Python binding, bodies copied into memory by its callback."""

import io
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any
from urllib.parse import urlsplit

import harness
from awscrt.auth import AwsCredentialsProvider
from awscrt.http import HttpHeaders, HttpRequest
from awscrt.io import ClientTlsContext, TlsContextOptions
from awscrt.s3 import S3Client, S3RequestTlsMode, S3RequestType, create_default_s3_signing_config
from harness import Consume, Job, Work

Body = Callable[[bytes, int], None]


class Crt:
    """One client, and its requests as futures."""

    def __init__(self, job: Job) -> None:
        self.bucket, self.host = job.bucket, urlsplit(job.endpoint).netloc
        provider = AwsCredentialsProvider.new_static("any", "any")
        tls = None
        if job.ca:
            options = TlsContextOptions()
            options.override_default_trust_store_from_path(None, job.ca)
            tls = ClientTlsContext(options).new_connection_options()
        self.client = S3Client(
            region=job.region,
            tls_mode=S3RequestTlsMode.ENABLED if job.ca else S3RequestTlsMode.DISABLED,
            tls_connection_options=tls,
            signing_config=create_default_s3_signing_config(region=job.region, credential_provider=provider),
            part_size=8 << 20,
            throughput_target_gbps=10.0,
        )

    def get(self, key: str, write: Body) -> "Future[Any]":
        def on_body(chunk: bytes, offset: int, **_: Any) -> None:
            write(chunk, offset)

        request = HttpRequest("GET", f"/{self.bucket}/{key}", HttpHeaders([("Host", self.host)]))
        return self._send(type=S3RequestType.GET_OBJECT, request=request, on_body=on_body)

    def put(self, key: str, data: bytes) -> "Future[Any]":
        headers = HttpHeaders([("Host", self.host), ("Content-Length", str(len(data)))])
        request = HttpRequest("PUT", f"/{self.bucket}/{key}", headers, io.BytesIO(data))
        return self._send(type=S3RequestType.PUT_OBJECT, request=request)

    def _send(self, **words: Any) -> "Future[Any]":
        answer: Future[Any] = self.client.make_request(**words).finished_future
        return answer


def writer_into(memory: memoryview) -> Body:
    def write(chunk: bytes, offset: int) -> None:
        memory[offset : offset + len(chunk)] = chunk

    return write


def get_into(job: Job) -> Work:
    crt, memory = Crt(job), memoryview(harness.ready_memory(job.size))

    def work(keys: Sequence[str], consume: Consume) -> None:
        for index, key in enumerate(keys):
            crt.get(key, writer_into(memory)).result()
            consume(index, memory)

    return work


def get_buffer(job: Job) -> Work:
    crt = Crt(job)

    def work(keys: Sequence[str], consume: Consume) -> None:
        for index, key in enumerate(keys):
            data = bytearray(job.size)
            crt.get(key, writer_into(memoryview(data))).result()
            consume(index, data)

    return work


def get_many(job: Job) -> Work:
    crt = Crt(job)

    def work(keys: Sequence[str], consume: Consume) -> None:
        under_way: list[tuple[int, bytearray, Future[Any]]] = []
        for index, key in enumerate(keys):
            if len(under_way) == job.in_flight:
                finish(under_way.pop(0), consume)
            data = bytearray(job.size)
            under_way.append((index, data, crt.get(key, writer_into(memoryview(data)))))
        for item in under_way:
            finish(item, consume)

    return work


def finish(item: "tuple[int, bytearray, Future[Any]]", consume: Consume) -> None:
    item[2].result()
    consume(item[0], item[1])


def put_large(job: Job) -> Work:
    crt, data = Crt(job), harness.payload(job)

    def work(keys: Sequence[str], consume: Consume) -> None:
        for key in keys:
            crt.put(key, data).result()

    return work


def put_many(job: Job) -> Work:
    crt, data = Crt(job), harness.payload(job)

    def work(keys: Sequence[str], consume: Consume) -> None:
        under_way: list[Future[Any]] = []
        for key in keys:
            if len(under_way) == job.in_flight:
                under_way.pop(0).result()
            under_way.append(crt.put(key, data))
        for answer in under_way:
            answer.result()

    return work


if __name__ == "__main__":
    harness.main("awscrt", get_into, get_buffer, get_many, put_large, put_many)
