"""Uploads in parts, and listings: the longer verbs of the small S3."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from xml.sax.saxutils import escape

from servers import checksums
from servers.common import CommonVerbs
from servers.stored import ServiceFailure, StoredObject, Upload, document, iso
from servers.wire import Reply, Request


class UploadVerbs(CommonVerbs):
    """create_upload, upload_part, copy_part, complete_upload, abort_upload, list_uploads, list_parts."""

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
        upload.last_part = time.time()
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

    def _list_parts(self, request: Request) -> Reply:
        upload, inner = self._upload(request), "<IsTruncated>false</IsTruncated>"
        for number in upload.parts:
            inner += (
                f"<Part><PartNumber>{number}</PartNumber><LastModified>{iso(upload.last_part)}</LastModified></Part>"
            )
        return Reply(200, [], document("ListPartsResult", inner))

    def _list_uploads(self, request: Request) -> Reply:
        self._bucket(request)
        prefix, inner = request.query.get("prefix", ""), "<IsTruncated>false</IsTruncated>"
        for upload_id, upload in self.uploads.items():
            if upload.bucket == request.bucket and upload.key.startswith(prefix):
                inner += f"<Upload><Key>{self._spell(request, upload.key)}</Key><UploadId>{upload_id}</UploadId>"
                inner += f"<Initiated>{iso(upload.initiated)}</Initiated></Upload>"
        return Reply(200, [], document("ListMultipartUploadsResult", inner))


class ListVerbs(CommonVerbs):
    """list."""

    def _list(self, request: Request) -> Reply:
        query, objects = request.query, self._bucket(request)
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        token = query.get("continuation-token", "")
        after = _last_of(token) if token else query.get("start-after", "")
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
            f"<Contents><Key>{spelt}</Key><LastModified>{iso(found.modified)}</LastModified>"
            f"<ETag>{escape(found.etag)}</ETag><Size>{len(found.data)}</Size>"
            f"<StorageClass>STANDARD</StorageClass></Contents>"
        )


def _last_of(token: str) -> str:
    """Where a page ended; a token that is none of ours starts over, as careless servers do."""
    try:
        return base64.b64decode(token).decode()
    except ValueError:
        return ""


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
