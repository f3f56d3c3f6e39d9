"""How a store behaves: sizes, windows, times, retries."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from s3dlio_core import _ext
from s3dlio_core.errors import InvalidArgumentError

__all__ = ["Tuning"]

_UNITS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}
_TRUTH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
_AT_LEAST_ONE = frozenset(
    ["part_size", "max_in_flight_bytes", "max_connections", "initial_connections", "max_attempts", "file_threads"]
)


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """Fixed when a store is opened; the defaults suit training on one machine.

    Sizes are bytes. Without a Tuning, open_store() takes Tuning.from_environment().

    Args:
        part_size: Bytes asked or sent as one request.
        max_in_flight_bytes: Over one store; caps what is asked for and not yet received.
        max_connections: Upper end; the engine moves below it by what it measures.
        initial_connections: Where it starts.
        coalesce_gap: Ranges of one object nearer than this share a request.
        multipart_threshold: Objects up to this size are one request to put.
        equal_parts: A writer's parts never grow. For services that take only parts of equal size (Cloudflare R2, known
            by its host name, needs no setting); an object then has at most 10,000 times part_size bytes unless its
            expected_size is given.
        connect_timeout_seconds: For one address.
        first_byte_timeout_seconds: Upper bound; adapts down to what the service usually needs.
        stall_floor_bytes: Fewer bytes than this within stall_window_seconds are a stall.
        stall_window_seconds: See stall_floor_bytes.
        operation_timeout_seconds: For a part-sized request with all its retries; grows with the size.
        idle_timeout_seconds: An idle connection is closed after this.
        max_attempts: Requests for one part before its error is raised.
        retry_budget: Retries a store may have outstanding before failures are raised at once.
        backoff_base_seconds: First pause before a retry; doubles, with jitter.
        backoff_cap_seconds: Longest pause.
        hedge: Ask again elsewhere when an answer is much slower than usual.
        verify: "when_supported" compares what was received with the stored checksum; "never".
        upload_checksum: "crc64nvme", "crc32c", "crc32"; "none" for services that refuse the headers.
        file_threads: Threads of a file store.
        io_uring: Use it for files where the kernel allows it.
        sync_writes: A file counts as written when it survives a power cut.
    Raises:
        InvalidArgumentError: A value out of its bounds.
    """

    part_size: int = 8 << 20
    max_in_flight_bytes: int = 256 << 20
    max_connections: int = 64
    initial_connections: int = 8
    coalesce_gap: int = 1 << 20
    multipart_threshold: int = 16 << 20
    equal_parts: bool = False
    connect_timeout_seconds: float = 3.0
    first_byte_timeout_seconds: float = 20.0
    stall_floor_bytes: int = 64 << 10
    stall_window_seconds: float = 10.0
    operation_timeout_seconds: float = 300.0
    idle_timeout_seconds: float = 20.0
    max_attempts: int = 8
    retry_budget: int = 500
    backoff_base_seconds: float = 0.1
    backoff_cap_seconds: float = 20.0
    hedge: bool = True
    verify: str = "when_supported"
    upload_checksum: str = "crc64nvme"
    file_threads: int = 8
    io_uring: bool = True
    sync_writes: bool = True

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            _check_type(field.name, value, type(field.default))
            if isinstance(value, (int, float)) and not value >= (field.name in _AT_LEAST_ONE):
                least = "at least 1" if field.name in _AT_LEAST_ONE else "0 or more"
                raise InvalidArgumentError(f"{field.name} is {value}; expected {least}")
        self.to_native()  # the engine knows the words it takes

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Tuning:
        """The defaults, changed by S3DLIO_<FIELD IN CAPITALS>, e.g. S3DLIO_PART_SIZE=16MiB, S3DLIO_HEDGE=0.

        Raises:
            InvalidArgumentError: A variable that cannot be read as its field's type; the message names it.
        """
        variables = os.environ if environ is None else environ
        given = {}
        for field in fields(cls):
            variable = f"S3DLIO_{field.name.upper()}"
            text = variables.get(variable, "").strip()
            if text:
                given[field.name] = _parse(variable, text, type(field.default))
        return cls(**given)

    def to_native(self) -> _ext.Tuning:
        """The engine's own value."""
        native = _ext.Tuning()
        for field in fields(self):
            value = getattr(self, field.name)
            try:
                setattr(native, field.name, value)
            except TypeError as error:  # more than the engine's number holds
                raise InvalidArgumentError(f"{field.name} is {value!r}, which is too large") from error
        return native


def _check_type(name: str, value: object, kind: type) -> None:
    # True is an int to Python, and no size to anybody else.
    fits = isinstance(value, (int, float) if kind is float else kind) and (kind is bool or not isinstance(value, bool))
    if not fits:
        wanted = {bool: "True or False", float: "seconds as a number", int: "an integer", str: "a str"}[kind]
        raise InvalidArgumentError(f"{name} is {value!r}; expected {wanted}")


def _parse(variable: str, text: str, kind: type) -> Any:
    try:
        if kind is bool:
            return _TRUTH[text.lower()]
        if kind is float:
            return float(text)
        if kind is int:
            return _size(text)
    except (KeyError, ValueError):
        wanted = {bool: "true or false", float: "seconds", int: "a number, or a size such as 16MiB"}[kind]
        raise InvalidArgumentError(f'{variable} is "{text}"; expected {wanted}') from None
    return text


def _size(text: str) -> int:
    """ "4096", "64k", "16MiB": powers of 1024; "16MB": powers of 1000."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?b)?", text.lower())
    if match is None:
        raise ValueError(text)
    number, unit, suffix = match.groups()
    decimal = suffix == "b" and unit
    scale = 1000 ** (_UNITS[unit] // 10) if decimal else 1 << _UNITS[unit]
    return int(float(number) * scale) if "." in number else int(number) * scale
