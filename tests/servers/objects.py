"""A small true S3 in memory: what the fault server does when it is told to do nothing wrong."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import time
import urllib.parse
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from xml.sax.saxutils import escape

from servers import checksums
from servers.wire import Reply, Request

_STORED_HEADERS = (
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


class ServiceFailure(Exception):
    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message or code


def error_document(code: str, message: str, resource: str = "") -> bytes:
    text = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    text += f"<Resource>{escape(resource)}</Resource><RequestId>REQ-{code}</RequestId>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{text}</Error>'.encode()


def document(root: str, inner: str) -> bytes:
    space = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} {space}>{inner}</{root}>'.encode()


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))


class S3Objects:
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
        inner = f"<LastModified>{_iso(stored.modified)}</LastModified><ETag>{escape(stored.etag)}</ETag>"
        return Reply(200, self._stored_headers(stored), document("CopyObjectResult", inner))

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

    # ---- uploads in parts ----
    def _create_upload(self, request: Request) -> Reply:
        self._bucket(request)
        kind = request.headers.get("x-amz-checksum-algorithm", "").lower()
        default = "FULL_OBJECT" if kind == "crc64nvme" else "COMPOSITE"
        covers = request.headers.get("x-amz-checksum-type", default)
        upload_id = "upload-" + secrets.token_hex(8)
        headers = self._kept_headers(request)
        self.uploads[upload_id] = Upload(request.bucket, request.key, headers, kind, covers)
        inner = f"<Bucket>{request.bucket}</Bucket><Key>{escape(request.key)}</Key><UploadId>{upload_id}</UploadId>"
        return Reply(200, [], document("InitiateMultipartUploadResult", inner))

    def _upload(self, request: Request) -> Upload:
        upload = self.uploads.get(request.query["uploadId"])
        if upload is None or (upload.bucket, upload.key) != (request.bucket, request.key):
            raise ServiceFailure(404, "NoSuchUpload", "The specified upload does not exist")
        return upload

    def _upload_part(self, request: Request) -> Reply:
        upload = self._upload(request)
        checksum = self._verify(request, request.body)
        etag = f'"{hashlib.md5(request.body).hexdigest()}"'
        kind, value = checksum or (upload.kind, "")
        upload.parts[int(request.query["partNumber"])] = (request.body, etag, value)
        return Reply(200, [("ETag", etag), *([(f"x-amz-checksum-{kind}", value)] if checksum else [])])

    def _copy_part(self, request: Request) -> Reply:
        upload, source = self._upload(request), self._copy_source(request)
        first, _, last = request.headers["x-amz-copy-source-range"].removeprefix("bytes=").partition("-")
        data = source.data[int(first) : int(last) + 1]
        etag = f'"{hashlib.md5(data).hexdigest()}"'
        upload.parts[int(request.query["partNumber"])] = (data, etag, "")
        return Reply(200, [], document("CopyPartResult", f"<ETag>{escape(etag)}</ETag>"))

    def _complete_upload(self, request: Request) -> Reply:
        upload = self._upload(request)
        self._check_condition(request)
        chosen = self._chosen_parts(request, upload)
        data = b"".join(part[0] for part in chosen)
        size = request.headers.get("x-amz-mp-object-size")
        if size is not None and int(size) != len(data):
            raise ServiceFailure(400, "InvalidRequest", f"the parts hold {len(data)} bytes, not {size}")
        md5 = hashlib.md5(b"".join(bytes.fromhex(part[1].strip('"')) for part in chosen)).hexdigest()
        stored = StoredObject(data, f'"{md5}-{len(chosen)}"', upload.headers)
        stored.checksum = self._upload_checksum(request, upload, chosen, data)
        self._keep(upload.bucket, upload.key, stored)
        del self.uploads[request.query["uploadId"]]
        inner = f"<Bucket>{upload.bucket}</Bucket><Key>{escape(upload.key)}</Key><ETag>{escape(stored.etag)}</ETag>"
        if stored.checksum:
            kind, value, covers = stored.checksum
            inner += f"<Checksum{kind.upper()}>{value}</Checksum{kind.upper()}><ChecksumType>{covers}</ChecksumType>"
        headers = [pair for pair in self._stored_headers(stored) if pair[0] == "x-amz-version-id"]
        return Reply(200, headers, document("CompleteMultipartUploadResult", inner))

    def _chosen_parts(self, request: Request, upload: Upload) -> list[tuple[bytes, str, str]]:
        chosen, last = [], 0
        for element in ElementTree.fromstring(request.body):
            named = {child.tag.rpartition("}")[2]: child.text or "" for child in element}
            number = int(named["PartNumber"])
            part = upload.parts.get(number)
            if part is None or part[1].strip('"') != named["ETag"].strip('"'):
                raise ServiceFailure(400, "InvalidPart", f"part {number} was not uploaded")
            if number <= last:
                raise ServiceFailure(400, "InvalidPartOrder")
            chosen.append(part)
            last = number
        if any(len(part[0]) < self.min_part_size for part in chosen[:-1]):
            raise ServiceFailure(400, "EntityTooSmall")
        if not chosen:
            raise ServiceFailure(400, "MalformedXML")
        return chosen

    def _upload_checksum(
        self, request: Request, upload: Upload, chosen: list[tuple[bytes, str, str]], data: bytes
    ) -> tuple[str, str, str] | None:
        if not self.store_checksums:
            return None
        kind = upload.kind or "crc64nvme"
        if upload.kind and upload.checksum_type == "COMPOSITE":
            inner = b"".join(base64.b64decode(part[2]) for part in chosen)
            return kind, f"{checksums.encoded(kind, inner)}-{len(chosen)}", "COMPOSITE"
        value = checksums.encoded(kind, data)
        told = request.headers.get(f"x-amz-checksum-{kind}")
        if told is not None and told != value:
            raise ServiceFailure(400, "BadDigest", f"the object's {kind} is {value}, you said {told}")
        return kind, value, "FULL_OBJECT"

    def _abort_upload(self, request: Request) -> Reply:
        self._upload(request)
        del self.uploads[request.query["uploadId"]]
        return Reply(204)

    def _list_uploads(self, request: Request) -> Reply:
        self._bucket(request)
        prefix, inner = request.query.get("prefix", ""), "<IsTruncated>false</IsTruncated>"
        for upload_id, upload in self.uploads.items():
            if upload.bucket == request.bucket and upload.key.startswith(prefix):
                inner += f"<Upload><Key>{self._spell(request, upload.key)}</Key><UploadId>{upload_id}</UploadId>"
                inner += f"<Initiated>{_iso(upload.initiated)}</Initiated></Upload>"
        return Reply(200, [], document("ListMultipartUploadsResult", inner))

    # ---- listing ----
    def _list(self, request: Request) -> Reply:
        query, objects = request.query, self._bucket(request)
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        token = query.get("continuation-token", "")
        after = base64.b64decode(token).decode() if token else query.get("start-after", "")
        limit = min(int(query.get("max-keys", "1000")), self.page_size)
        names = list(_entries(objects, prefix, delimiter, after))
        page, more = names[:limit], len(names) > limit
        inner = f"<Name>{request.bucket}</Name><Prefix>{self._spell(request, prefix)}</Prefix>"
        inner += f"<KeyCount>{len(page)}</KeyCount><MaxKeys>{limit}</MaxKeys>"
        inner += f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        if query.get("encoding-type"):
            inner += f"<EncodingType>{query['encoding-type']}</EncodingType>"
        if more:
            inner += f"<NextContinuationToken>{base64.b64encode(page[-1][0].encode()).decode()}</NextContinuationToken>"
        for name, folded in page:
            inner += self._entry(request, name, None if folded else objects[name])
        return Reply(200, [("Content-Type", "application/xml")], document("ListBucketResult", inner))

    def _entry(self, request: Request, name: str, found: StoredObject | None) -> str:
        spelt = self._spell(request, name)
        if found is None:
            return f"<CommonPrefixes><Prefix>{spelt}</Prefix></CommonPrefixes>"
        return (
            f"<Contents><Key>{spelt}</Key><LastModified>{_iso(found.modified)}</LastModified>"
            f"<ETag>{escape(found.etag)}</ETag><Size>{len(found.data)}</Size>"
            f"<StorageClass>STANDARD</StorageClass></Contents>"
        )

    @staticmethod
    def _spell(request: Request, name: str) -> str:
        if request.query.get("encoding-type") == "url":
            return urllib.parse.quote_plus(name, safe="/*-._")  # as S3 does it: a space becomes "+"
        return escape(name)

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
            f"<Bucket><Name>{n}</Name><CreationDate>{_iso(time.time())}</CreationDate></Bucket>" for n in names
        )
        return Reply(200, [], document("ListAllMyBucketsResult", f"<Buckets>{inner}</Buckets>"))

    # ---- shared ----
    def _keep(self, bucket: str, key: str, stored: StoredObject) -> None:
        if self.versioned:
            stored.version_id = "v-" + secrets.token_hex(6)
            self.versions[bucket, key, stored.version_id] = stored
        self.buckets[bucket][key] = stored

    def _kept_headers(self, request: Request) -> dict[str, str]:
        return {
            name: value
            for name, value in request.headers.items()
            if name in _STORED_HEADERS or name.startswith("x-amz-meta-")
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


def _entries(objects: dict[str, StoredObject], prefix: str, delimiter: str, after: str) -> Iterator[tuple[str, bool]]:
    """Names in UTF-8 byte order; True with those that stand for all keys below them."""
    previous = ""
    for key in sorted(objects, key=str.encode):
        if not key.startswith(prefix):
            continue
        rest = key[len(prefix) :]
        folded = bool(delimiter) and delimiter in rest
        name = prefix + rest.partition(delimiter)[0] + delimiter if folded else key
        if name.encode() <= after.encode() or (folded and name == previous):
            continue
        if folded:
            previous = name
        yield name, folded
