"""What the writer's and the reader's arguments have in common."""

from __future__ import annotations

import os
from typing import Any

from s3dlio_core import parse_uri
from s3dlio_core.errors import InvalidArgumentError
from s3dlio_core.uri import uri_of_path

__all__ = ["LEAST_WINDOW", "check_window", "checked_uri", "is_uri", "store_options"]

LEAST_WINDOW = 16 << 20


def checked_uri(uri: str | os.PathLike[str]) -> str:
    """`uri`, or the URI of a local path, as text; InvalidArgumentError where no store can be opened at it."""
    return str(parse_uri(uri_of_path(uri) if os.fspath(uri) else ""))


def is_uri(uri: str | os.PathLike[str]) -> bool:
    """Whether a store can be opened at `uri`."""
    try:
        checked_uri(uri)
    except InvalidArgumentError:
        return False
    return True


def store_options(
    endpoint_url: str | None, region: str | None, profile: str | None, options: dict[str, Any] | None
) -> dict[str, Any]:
    """What open_store() is given: those of the three that are not None, and `options`, which win."""
    given = {"endpoint_url": endpoint_url, "region": region, "profile": profile}
    return {**{name: value for name, value in given.items() if value is not None}, **(options or {})}


def check_window(window_bytes: int, stall_timeout_seconds: float | None) -> None:
    """InvalidArgumentError unless both make sense."""
    if window_bytes < LEAST_WINDOW:
        raise InvalidArgumentError(f"window_bytes is {window_bytes}; expected {LEAST_WINDOW} or more")
    if stall_timeout_seconds is not None and not stall_timeout_seconds > 0:
        raise InvalidArgumentError(f"stall_timeout_seconds is {stall_timeout_seconds}; expected more than 0, or None")
