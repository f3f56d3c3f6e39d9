"""A small true S3 in memory: what the fault server does when it is told to do nothing wrong."""

from __future__ import annotations

import hashlib
import time
import xml.etree.ElementTree as ElementTree
from email.utils import formatdate
from xml.sax.saxutils import escape

from servers import checksums
from servers.stored import ServiceFailure, StoredObject, document, error_document, iso
from servers.uploads import ListVerbs, UploadVerbs
from servers.wire import Reply, Request

__all__ = ["S3Objects", "StoredObject", "error_document"]


class S3Objects(UploadVerbs, ListVerbs):
    """Every verb. See CommonVerbs for the switches."""

    # ---- for the tests ----
    def put_object(self, bucket: str, key: str, data: bytes, *, parts: int = 0) -> StoredObject:
        """Store without a request. `parts` > 0 gives a multipart ETag."""
        with self.lock:
            self.buckets.setdefault(bucket, {})
            md5 = hashlib.md5(data).hexdigest()
            stored = StoredObject(data, f'"{md5}-{parts}"' if parts else f'"{md5}"')
            if self.store_checksums:
                stored.checksum = ("crc64nvme", checksums.encoded("crc64nvme", data), "FULL_OBJECT")
            self._keep(bucket, key, stored)
            return stored

    # ---- one request ----
    def handle(self, request: Request) -> Reply:
        verb = getattr(self, "_" + request.operation, None)
        try:
            if verb is None:
                raise ServiceFailure(405, "MethodNotAllowed")
            with self.lock:
                return verb(request)
        except ServiceFailure as failure:
            body = error_document(failure.code, failure.message, request.raw_path)
            return Reply(failure.status, [("Content-Type", "application/xml")], body)

    # ---- objects ----
    def _get(self, request: Request) -> Reply:
        found = self._find(request)
        condition = request.headers.get("if-match")
        if condition and condition.strip('"') != found.etag.strip('"'):
            raise ServiceFailure(412, "PreconditionFailed", "At least one of the pre-conditions did not hold")
        size = len(found.data)
        reply = Reply(200, self._describe(request, found), memoryview(found.data))
        if request.range is not None:
            start, end = request.range
            if start >= size:
                failure = ServiceFailure(416, "InvalidRange", "The requested range is not satisfiable")
                body = error_document(failure.code, failure.message)
                return Reply(416, [("Content-Range", f"bytes */{size}")], body)
            end = min(size, end) if end is not None else size
            reply.status, reply.body = 206, reply.body[start:end]
            reply.set("Content-Range", f"bytes {start}-{end - 1}/{size}")
            if not self.checksum_on_ranges:
                for name in [n for n, _ in reply.headers if n.startswith("x-amz-checksum")]:
                    reply.set(name, None)
        return reply

    def _head(self, request: Request) -> Reply:
        found = self._find(request)
        reply = Reply(200, self._describe(request, found))
        reply.set("Content-Length", str(len(found.data)))
        return reply

    def _describe(self, request: Request, found: StoredObject) -> list[tuple[str, str]]:
        headers = [("ETag", found.etag), ("Last-Modified", formatdate(found.modified, usegmt=True))]
        headers += [("Accept-Ranges", "bytes"), *found.headers.items()]
        if found.version_id:
            headers.append(("x-amz-version-id", found.version_id))
        if found.checksum and request.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED":
            kind, value, covers = found.checksum
            headers += [(f"x-amz-checksum-{kind}", value), ("x-amz-checksum-type", covers)]
        return headers

    def _put(self, request: Request) -> Reply:
        self._bucket(request)
        self._check_condition(request)
        checksum = self._verify(request, request.body)
        etag = f'"{hashlib.md5(request.body).hexdigest()}"'
        stored = StoredObject(request.body, etag, self._kept_headers(request))
        if self.store_checksums:
            kind, value = checksum or ("crc64nvme", checksums.encoded("crc64nvme", request.body))
            stored.checksum = (kind, value, "FULL_OBJECT")
        self._keep(request.bucket, request.key, stored)
        return Reply(200, self._stored_headers(stored))

    def _copy(self, request: Request) -> Reply:
        self._bucket(request)
        source = self._copy_source(request)
        self._check_condition(request)
        replace = request.headers.get("x-amz-metadata-directive", "").upper() == "REPLACE"
        headers = self._kept_headers(request) if replace else dict(source.headers)
        stored = StoredObject(source.data, f'"{hashlib.md5(source.data).hexdigest()}"', headers, source.checksum)
        self._keep(request.bucket, request.key, stored)
        inner = f"<LastModified>{iso(stored.modified)}</LastModified><ETag>{escape(stored.etag)}</ETag>"
        return Reply(200, self._stored_headers(stored), document("CopyObjectResult", inner))

    def _delete(self, request: Request) -> Reply:
        self._bucket(request).pop(request.key, None)
        return Reply(204)

    def _delete_many(self, request: Request) -> Reply:
        objects = self._bucket(request)
        if "content-md5" not in request.headers and not self._verify(request, request.body):
            raise ServiceFailure(400, "InvalidRequest", "Missing required header for this request: Content-MD5")
        inner = ""
        for element in ElementTree.fromstring(request.body).iter():
            if element.tag.endswith("Key"):
                objects.pop(element.text or "", None)
                inner += f"<Deleted><Key>{escape(element.text or '')}</Key></Deleted>"
        return Reply(200, [], document("DeleteResult", inner))

    # ---- buckets ----
    def _create_bucket(self, request: Request) -> Reply:
        if request.bucket in self.buckets:
            raise ServiceFailure(409, "BucketAlreadyOwnedByYou")
        self.buckets[request.bucket] = {}
        return Reply(200, [("Location", f"/{request.bucket}")])

    def _delete_bucket(self, request: Request) -> Reply:
        if self._bucket(request):
            raise ServiceFailure(409, "BucketNotEmpty", "The bucket you tried to delete is not empty")
        del self.buckets[request.bucket]
        return Reply(204)

    def _head_bucket(self, request: Request) -> Reply:
        self._bucket(request)
        return Reply(200, [("x-amz-bucket-region", "us-east-1")])

    def _location(self, request: Request) -> Reply:
        self._bucket(request)
        return Reply(200, [], document("LocationConstraint", ""))

    def _list_buckets(self, request: Request) -> Reply:
        names = sorted(self.buckets)
        inner = "".join(
            f"<Bucket><Name>{n}</Name><CreationDate>{iso(time.time())}</CreationDate></Bucket>" for n in names
        )
        return Reply(200, [], document("ListAllMyBucketsResult", f"<Buckets>{inner}</Buckets>"))
