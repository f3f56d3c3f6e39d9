"""Which objects a command means: one key, what lies below a URI, what matches a pattern, what a key list names."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace

from s3dlio_core.cli.location import has_scheme, locate
from s3dlio_core.cli.options import matching
from s3dlio_core.cli.session import Session
from s3dlio_core.moving.found import below, one
from s3dlio_core.moving.source import Source

__all__ = ["from_keylist", "from_uri"]


def from_uri(session: Session, uri: str, *, recursive: bool, pattern: str | None) -> Iterator[Source]:
    """The object at `uri`; or, with `recursive` or `pattern`, the objects below it.

    "s3://b/data" and "s3://b/data/" have the same things below them, never "s3://b/database".
    """
    if recursive or pattern is not None:
        return below(*session.into(uri), recursive=recursive, wanted=matching(pattern))
    return iter([replace(one(*session.at(uri)), name=locate(uri).name)])


def from_keylist(session: Session, path: str, base_uri: str | None) -> Iterator[Source]:
    """The objects named by a file, one a line: URIs, or keys below `base_uri`. "-" reads stdin; "#" starts a comment.

    Raises:
        OSError: The file cannot be read.
        ValueError: A line holds a key and there is no `base_uri`.
    """
    with open(sys.stdin.fileno() if path == "-" else path, encoding="utf-8", errors="surrogateescape") as lines:
        for number, line in enumerate(lines, start=1):
            name = line.rstrip("\r\n")
            if not name.strip() or name.startswith("#"):
                continue
            if not has_scheme(name) and base_uri is None:
                raise ValueError(f"{path}, line {number}: '{name}' is no URI; give the URI that keys are below")
            uri = name if has_scheme(name) else f"{(base_uri or '').rstrip('/')}/{name}"
            store, key = session.at(uri)
            yield Source(store, key, key if has_scheme(name) else name)
