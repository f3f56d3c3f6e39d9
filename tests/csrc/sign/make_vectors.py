"""Writes botocore_vectors.inc: requests and the Authorization botocore's own S3 signer gives them. As an oracle.

Run it again only to add cases: `python make_vectors.py > botocore_vectors.inc`.
"""

from __future__ import annotations

import datetime
import itertools
import random
from unittest import mock
from urllib.parse import quote

import botocore.auth
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

MOMENT = datetime.datetime(2024, 2, 29, 23, 59, 58)
UNSIGNED = "UNSIGNED-PAYLOAD"
KEYS = [
    "a",
    "a/b//c",
    "../x/./y",
    "spaß ü.bin",
    "a b+c%20&d=e?f#g",
    "tab\tnl\nctl\x01",
    "~tilde-_.",
    "日本/語",
    "*'()!@:,;$[]",
]
QUERIES = [
    {},
    {"versionId": "a.b-_~/=+"},
    {"uploads": ""},
    {"partNumber": "10", "uploadId": "x&y=z"},
    {"list-type": "2", "prefix": "ü/ x", "delimiter": "/", "Z": "1", "a": "2"},
]
EXTRA = [
    {},
    {"Range": "bytes=0-9"},
    {"x-amz-meta-note": "  two   words  ", "Content-Type": "text/plain; charset=utf-8"},
    {"If-Match": '"abc"', "Cache-Control": "no-cache", "User-Agent": "not signed"},
]


def cpp(text: str) -> str:
    """A C++ string literal of the UTF-8 bytes of `text`."""
    out = "".join(chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in text.encode())
    return f'"{out}"'


def vector(method: str, key: str, query: dict[str, str], extra: dict[str, str], token: str, body: bytes | None) -> str:
    """One initialiser: method, path, query, headers, payload hash, region, access key, secret, authorization."""
    region = random.choice(["us-east-1", "eu-central-1", "auto"])
    credentials = Credentials("AKIDTESTONLY", "secret/for+tests=only", token or None)
    path = "/bucket/" + quote(key, safe="/~")
    text = "&".join(f"{quote(k, safe='~')}={quote(v, safe='~')}" for k, v in query.items())
    url = "https://host.example:8443" + path + ("?" + text if text else "")
    request = AWSRequest(method=method, url=url, headers=dict(extra), data=body or b"")
    request.context["payload_signing_enabled"] = body is not None
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=MOMENT):
        S3SigV4Auth(credentials, "s3", region).add_auth(request)
    headers = {"Host": "host.example:8443", **dict(request.headers.items())}
    authorization = headers.pop("Authorization").replace(", ", ",")
    fields = ", ".join(f"{{{cpp(k)}, {cpp(v)}}}" for k, v in headers.items())
    digest = headers["X-Amz-Content-SHA256"]
    return (
        f"{{{cpp(method)}, {cpp(path)}, {cpp(text)}, {{{fields}}}, {cpp(digest)}, {cpp(region)}, "
        f"{cpp(credentials.access_key)}, {cpp(credentials.secret_key)}, {cpp(authorization)}}},"
    )


def main() -> None:
    random.seed(1)
    print("// Written by make_vectors.py; do not edit. Signed at 2024-02-29T23:59:58Z.")
    cases = list(itertools.product(KEYS, QUERIES, EXTRA))
    for key, query, extra in random.sample(cases, 40):
        method = random.choice(["GET", "PUT", "HEAD", "DELETE", "POST"])
        body = random.choice([None, b"", b"Welcome", bytes(range(256)) * 5])
        print(vector(method, key, query, extra, random.choice(["", "tok/en+with=signs"]), body))


if __name__ == "__main__":
    main()
