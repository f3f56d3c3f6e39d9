"""HTTP/1.1 as bytes on a socket: one request read, one answer described. Kept apart from what the answer means."""

from __future__ import annotations

import socket
import time
import urllib.parse
from dataclasses import dataclass, field

MAX_HEAD_BYTES = 64 * 1024


class ConnectionOver(Exception):
    """The client went away, or sent what cannot be read."""


@dataclass
class Request:
    """One request as received. `range` is half-open; its end is None when the client left it open."""

    method: str
    target: str
    headers: dict[str, str]
    connection: int
    number: int = 0
    attempt: int = 1  # of the same method, target and range, from 1
    body: bytes = b""
    status: int = 0  # of our answer; 0: none was sent
    at: float = field(default_factory=time.monotonic)

    @property
    def raw_path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        text = self.target.partition("?")[2]
        pairs = (part.partition("=") for part in text.split("&") if part)
        return {urllib.parse.unquote(name): urllib.parse.unquote(value) for name, _, value in pairs}

    @property
    def bucket(self) -> str:
        return urllib.parse.unquote(self.raw_path.lstrip("/").partition("/")[0])

    @property
    def key(self) -> str:
        # Only the first slash ends the bucket: what follows is the key, with every further slash and dot in it.
        return urllib.parse.unquote(self.raw_path[1:].partition("/")[2])

    @property
    def range(self) -> tuple[int, int | None] | None:
        text = self.headers.get("range", "")
        if not text.startswith("bytes="):
            return None
        first, _, last = text.removeprefix("bytes=").partition("-")
        return int(first), int(last) + 1 if last else None

    @property
    def operation(self) -> str:
        """The S3 verb in our words: "get", "put", "upload_part", ..."""
        return operation_of(self.method, bool(self.key), bool(self.bucket), self.query, self.headers)


def operation_of(method: str, has_key: bool, has_bucket: bool, query: dict[str, str], headers: dict[str, str]) -> str:
    if not has_bucket:
        return "list_buckets"
    if not has_key:
        if method == "GET":
            return "list_uploads" if "uploads" in query else "location" if "location" in query else "list"
        if method == "POST":
            return "delete_many"
        return {"PUT": "create_bucket", "DELETE": "delete_bucket", "HEAD": "head_bucket"}.get(method, method)
    if method == "PUT":
        copying = "x-amz-copy-source" in headers
        if "partNumber" in query:
            return "copy_part" if copying else "upload_part"
        return "copy" if copying else "put"
    if method == "POST":
        return "create_upload" if "uploads" in query else "complete_upload"
    if method == "DELETE":
        return "abort_upload" if "uploadId" in query else "delete"
    if method == "GET" and "uploadId" in query:
        return "list_parts"
    return {"GET": "get", "HEAD": "head"}.get(method, method)


@dataclass
class Reply:
    """An answer. Content-Length comes from the body unless the headers name one."""

    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | memoryview = b""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def set(self, name: str, value: str | None) -> None:
        """Replace a header; None takes it away."""
        self.headers = [(key, old) for key, old in self.headers if key.lower() != name.lower()]
        if value is not None:
            self.headers.append((name, value))


class Reader:
    """Reads heads and bodies from one socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = bytearray()

    def head(self) -> tuple[str, str, dict[str, str]]:
        """Method, target and headers (names in lower case). Raises ConnectionOver at a quiet end."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise ConnectionOver("head too long")
            self._fill()
            if self._buffer[:1] == b"\x16":  # a TLS handshake
                self._sock.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
                raise ConnectionOver("TLS on a plain port")
        text = self._buffer[:end].decode("latin-1")
        del self._buffer[: end + 4]
        first, *lines = text.split("\r\n")
        method, target, _ = first.split(" ")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return method, target, headers

    def exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._fill()
        data = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        return data

    def line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            self._fill()
        return self.exactly(end + 2)[:-2]

    def body(self, headers: dict[str, str]) -> bytes:
        if "chunked" in headers.get("transfer-encoding", ""):
            return self._chunks()
        body = self.exactly(int(headers.get("content-length", "0")))
        if headers.get("x-amz-content-sha256", "").startswith("STREAMING-"):
            inner = Reader(self._sock)
            inner._buffer += body
            return inner._chunks()
        return body

    def _chunks(self) -> bytes:
        parts = []
        while size := int(self.line().partition(b";")[0], 16):
            parts.append(self.exactly(size))
            self.line()
        while self._buffer and self.line():
            pass  # trailers
        return b"".join(parts)

    def _fill(self) -> None:
        try:
            data = self._sock.recv(1 << 20)
        except (OSError, ValueError) as error:
            raise ConnectionOver(str(error)) from error
        if not data:
            raise ConnectionOver("end of input")
        self._buffer += data
