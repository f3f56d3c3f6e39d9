"""How a test reaches a server: what it must know about one, and times short enough for faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import pytest

from s3dlio_core import Store

# Shorter than the defaults, and long enough for a machine that is busy with something else.
QUICK = {
    "connect_timeout_seconds": 5.0,
    "first_byte_timeout_seconds": 10.0,
    "stall_window_seconds": 5.0,
    "operation_timeout_seconds": 60.0,
    "backoff_base_seconds": 0.01,
    "backoff_cap_seconds": 0.1,
}
# For tests that wait until one of these is over.
IMPATIENT = {
    "first_byte_timeout_seconds": 1.0,
    "stall_window_seconds": 1.0,
    "operation_timeout_seconds": 15.0,
}


class Server(Protocol):
    """What a test needs to know about any S3 server."""

    endpoint_url: str
    access_key: str
    secret_key: str
    region: str


def credentials_of(server: Server) -> dict[str, str]:
    """Options for open_store() that lead to `server`."""
    return {
        "endpoint_url": server.endpoint_url,
        "access_key_id": server.access_key,
        "secret_access_key": server.secret_key,
        "region": server.region,
    }


# What a store lacks, and why; the conformance tests of it are skipped there.
_FOLDER = "keys are paths of a file system"
_ONE = "a file has one version"
_NO_HEADERS = "a file has no place for headers"
CAPABILITIES: dict[str, dict[str, str]] = {
    "file": {"any_key": _FOLDER, "metadata": _NO_HEADERS, "versions": _ONE, "buckets": _FOLDER},
    "direct": {"any_key": _FOLDER, "metadata": _NO_HEADERS, "versions": _ONE, "buckets": _FOLDER},
    "loopback": {},
    "moto": {
        "upload_age": "moto says of every upload that it began in 2010",
        "newlines": "moto's routes end at a line break",
        "replace_by_parts": "moto completes an upload whatever If-Match says",
        "buckets_once": "moto, as us-east-1 does, answers 200 for a bucket that is already ours",
    },
    "seaweedfs": {
        "any_key": "SeaweedFS keeps keys as paths of its filer",
        "backslash": "SeaweedFS takes a backslash for a slash",
        "newlines": "SeaweedFS keeps keys as paths of its filer",
        "start_after": "SeaweedFS resumes at an entry of a folder, where the folder a/ sorts as a, not as a/",
    },
}


class Place:
    """An empty place for one test in one kind of store.

    Attributes:
        kind: "file", "direct", "loopback", "moto" or "seaweedfs".
        reopen: reopen(prefix="", tuning={...}, **options) gives another store at the same place.
        open_bucket: Gives a store over another bucket of the same server.
        store: The first store opened there.
    """

    def __init__(self, kind: str, reopen: Callable[..., Store], open_bucket: Callable[[str], Store]) -> None:
        self.kind = kind
        self.reopen = reopen
        self.open_bucket = open_bucket
        self.store = reopen()

    def has(self, capability: str) -> bool:
        return capability not in CAPABILITIES[self.kind]

    def needs(self, capability: str) -> None:
        """Skip the test where the store lacks it."""
        reason = CAPABILITIES[self.kind].get(capability)
        if reason is not None:
            pytest.skip(f"{self.kind}: {reason}")
