"""What the small S3's verbs share: its state, its switches, conditions and checksums."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import urllib.parse
from xml.sax.saxutils import escape

from servers import checksums
from servers.stored import STORED_HEADERS, ServiceFailure, StoredObject, Upload
from servers.wire import Request


class CommonVerbs:
    """Buckets of objects. Thread safe.

    Attributes:
        page_size: Keys a listing page holds at most.
        store_checksums: Whether checksums are kept and told, as S3 does.
        checksum_on_ranges: Whether a ranged answer tells the whole object's checksum.
        conditional_writes: Whether If-None-Match and If-Match on writes are obeyed.
        min_part_size: Smaller parts (but the last) are refused on completion.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.buckets: dict[str, dict[str, StoredObject]] = {}
        self.versions: dict[tuple[str, str, str], StoredObject] = {}
        self.uploads: dict[str, Upload] = {}
        self.page_size = 1000
        self.store_checksums = True
        self.checksum_on_ranges = True
        self.conditional_writes = True
        self.versioned = False
        self.min_part_size = 5 << 20

    def _bucket(self, request: Request) -> dict[str, StoredObject]:
        if request.bucket not in self.buckets:
            raise ServiceFailure(404, "NoSuchBucket", "The specified bucket does not exist")
        return self.buckets[request.bucket]

    def _find(self, request: Request) -> StoredObject:
        objects, version = self._bucket(request), request.query.get("versionId", "")
        found = self.versions.get((request.bucket, request.key, version)) if version else objects.get(request.key)
        if found is None:
            code = "NoSuchVersion" if version else "NoSuchKey"
            raise ServiceFailure(404, code, "The specified key does not exist.")
        wanted = found.headers.get("x-amz-server-side-encryption-customer-key-md5")
        if wanted != request.headers.get("x-amz-server-side-encryption-customer-key-md5"):
            raise ServiceFailure(400, "InvalidRequest", "The object was stored with another customer key")
        return found

    def _copy_source(self, request: Request) -> StoredObject:
        path, _, query = request.headers["x-amz-copy-source"].partition("?")
        bucket, _, key = urllib.parse.unquote(path.removeprefix("/")).partition("/")
        version = query.removeprefix("versionId=")
        objects = self.buckets.get(bucket, {})
        found = self.versions.get((bucket, key, version)) if version else objects.get(key)
        if found is None:
            raise ServiceFailure(404, "NoSuchKey", "The source does not exist")
        condition = request.headers.get("x-amz-copy-source-if-match")
        if condition and condition != found.etag:
            raise ServiceFailure(412, "PreconditionFailed")
        return found

    @staticmethod
    def _spell(request: Request, name: str) -> str:
        if request.query.get("encoding-type") == "url":
            return urllib.parse.quote_plus(name, safe="/*-._")  # as S3 does it: a space becomes "+"
        return escape(name)

    def _keep(self, bucket: str, key: str, stored: StoredObject) -> None:
        if self.versioned:
            stored.version_id = "v-" + secrets.token_hex(6)
            self.versions[bucket, key, stored.version_id] = stored
        self.buckets[bucket][key] = stored

    def _kept_headers(self, request: Request) -> dict[str, str]:
        return {
            name: value
            for name, value in request.headers.items()
            if name in STORED_HEADERS or name.startswith("x-amz-meta-")
        }

    def _stored_headers(self, stored: StoredObject) -> list[tuple[str, str]]:
        headers = [("ETag", stored.etag)]
        if stored.version_id:
            headers.append(("x-amz-version-id", stored.version_id))
        if stored.checksum:
            kind, value, covers = stored.checksum
            headers += [(f"x-amz-checksum-{kind}", value), ("x-amz-checksum-type", covers)]
        return headers

    def _check_condition(self, request: Request) -> None:
        if not self.conditional_writes:
            return
        present = self.buckets.get(request.bucket, {}).get(request.key)
        wanted = request.headers.get("if-match")
        if request.headers.get("if-none-match") == "*" and present is not None:
            raise ServiceFailure(412, "PreconditionFailed", "At least one of the pre-conditions did not hold")
        if wanted and present is None:
            raise ServiceFailure(404, "NoSuchKey")
        if wanted and present is not None and wanted.strip('"') != present.etag.strip('"'):
            raise ServiceFailure(412, "PreconditionFailed", "At least one of the pre-conditions did not hold")

    @staticmethod
    def _verify(request: Request, body: bytes) -> tuple[str, str] | None:
        """The checksum the client sent, once it was found true."""
        signed = request.headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
        if len(signed) == 64 and hashlib.sha256(body).hexdigest() != signed:
            raise ServiceFailure(400, "XAmzContentSHA256Mismatch")
        md5 = request.headers.get("content-md5")
        if md5 and base64.b64decode(md5) != hashlib.md5(body).digest():
            raise ServiceFailure(400, "BadDigest", "Content-MD5 differs")
        for kind in checksums.KINDS:
            told = request.headers.get(f"x-amz-checksum-{kind}")
            if told is not None:
                if told != checksums.encoded(kind, body):
                    raise ServiceFailure(400, "BadDigest", f"the {kind} you specified did not match")
                return kind, told
        return None
