"""What the small S3 keeps, and how it spells documents."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

STORED_HEADERS = (
    "content-type", "content-encoding", "cache-control", "content-disposition", "x-amz-storage-class",
    "x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm", "x-amz-server-side-encryption-customer-key-md5",
)  # fmt: skip


@dataclass
class StoredObject:
    data: bytes
    etag: str
    headers: dict[str, str] = field(default_factory=dict)
    checksum: tuple[str, str, str] | None = None  # kind, value, FULL_OBJECT or COMPOSITE
    version_id: str = ""
    modified: float = field(default_factory=time.time)


@dataclass
class Upload:
    bucket: str
    key: str
    headers: dict[str, str]
    kind: str
    checksum_type: str
    parts: dict[int, tuple[bytes, str, str]] = field(default_factory=dict)  # data, etag, checksum
    initiated: float = field(default_factory=time.time)
    last_part: float = 0.0  # when it arrived


class ServiceFailure(Exception):
    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message or code


def error_document(code: str, message: str, resource: str = "") -> bytes:
    text = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    text += f"<Resource>{escape(resource)}</Resource><RequestId>REQ-FAULT</RequestId>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{text}</Error>'.encode()


def document(root: str, inner: str) -> bytes:
    space = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} {space}>{inner}</{root}>'.encode()


def iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))
