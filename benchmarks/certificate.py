"""A private authority and a certificate for 127.0.0.1, made by the openssl program; valid for a week."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

_NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


@dataclass(frozen=True)
class Certificate:
    """PEM files: what the server shows and signs with, and what clients trust."""

    chain: Path
    key: Path
    authority: Path


def make_certificate(folder: Path) -> Certificate:
    """Writes authority.pem, server.pem, server.key into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    authority, authority_key = folder / "authority.pem", folder / "authority.key"
    chain, key, request = folder / "server.pem", folder / "server.key", folder / "server.csr"
    extensions = folder / "server.ext"
    extensions.write_text(
        "subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n"
    )
    _openssl("req", "-x509", "-subj", "/CN=bench authority", "-days", "7", *_NEW_KEY,
             "-keyout", authority_key, "-out", authority)  # fmt: skip
    _openssl("req", "-subj", "/CN=localhost", *_NEW_KEY, "-keyout", key, "-out", request)
    _openssl("x509", "-req", "-in", request, "-CA", authority, "-CAkey", authority_key, "-CAcreateserial",
             "-days", "7", "-extfile", extensions, "-out", chain)  # fmt: skip
    return Certificate(chain, key, authority)


def _openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)
