"""Variables from a file: the .env of the working directory, or the one named by --env-file. Only the program reads it.

A .env comes with whatever folder one stands in, a cloned repository or an unpacked archive, and nobody has agreed to
it. So of the working directory's file only names that can do no harm are taken, and it is said which: nothing that
runs a command (AWS_CONFIG_FILE with `credential_process`), that trusts somebody else's certificates, or that sends the
user's own credentials elsewhere. A file that the user names with --env-file may set all of these.
"""

from __future__ import annotations

import io
import os
import re
import stat
import sys
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from s3dlio_core.cli.session import Session

__all__ = ["FILE_NAME", "filled", "load"]

FILE_NAME = ".env"
_MOST_BYTES = 1 << 20
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
_TOLD = {*_KEYS, *_ENDPOINTS, "AWS_PROFILE"}  # who asks, and where: never taken without a word
_OURS = ("AWS_", "S3DLIO_", "SSL_CERT_")
_REGION = re.compile(r"[A-Za-z0-9-]{1,64}")  # it becomes part of a host's name
_sources: dict[str, str] = {}


def load(session: Session) -> None:
    """Set the variables of the file that the environment has not: the file of --env-file, else the working directory's.

    Raises:
        OSError: The file is named and not there, or is the user's own and cannot be read.
    """
    verbose = session.verbosity > 0
    if session.env_file is not None:
        with open(session.env_file, encoding="utf-8") as file:
            values = _values(file.read(), interpolate=True)
        taken = {name: value for name, value in values.items() if name.startswith(_OURS) and name not in os.environ}
        _fill(taken, session.env_file)
        if verbose and taken:
            _tell(f"from {session.env_file}: {', '.join(sorted(taken))}")
        return
    text = _own_file()
    if text is None:
        return
    values = _values(text, interpolate=False)
    taken, refused = _harmless(values, session)
    _fill(taken, FILE_NAME)
    told = [_shown(name, value) for name, value in sorted(taken.items()) if verbose or name in _TOLD]
    if told:
        _tell(f"from ./{FILE_NAME}: {', '.join(told)}")
    for reason, names in refused.items():
        _tell(f"./{FILE_NAME}: not taken: {', '.join(sorted(names))} ({reason}); `--env-file {FILE_NAME}` takes all")


def filled(name: str) -> str | None:
    """The file that set the variable; None: the environment did, or nothing."""
    return _sources.get(name)


def _own_file() -> str | None:
    """What is in the working directory's file, if nobody but the user (or root) can have put it there."""
    try:
        descriptor = os.open(FILE_NAME, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        if os.lstat(FILE_NAME).st_uid == os.geteuid():
            raise
        _tell(f"./{FILE_NAME} belongs to another user and is not read; name it with --env-file to use it")
        return None
    with open(descriptor, "rb") as file:
        found, link = os.fstat(descriptor), os.lstat(FILE_NAME)
        if not stat.S_ISREG(found.st_mode):
            return None
        trusted = {os.geteuid(), 0}
        reason = ""
        if found.st_uid not in trusted or link.st_uid not in trusted:
            reason = "belongs to another user"
        elif found.st_mode & stat.S_IWOTH:
            reason = "can be written by everybody"
        elif found.st_size > _MOST_BYTES:
            reason = f"has {found.st_size} bytes"
        if reason:
            _tell(f"./{FILE_NAME} {reason} and is not read; name it with --env-file to use it")
            return None
        return file.read(_MOST_BYTES).decode("utf-8", "replace")


def _values(text: str, *, interpolate: bool) -> dict[str, str]:
    from dotenv import dotenv_values  # only where there is a file: it costs a tenth of the start

    found = dotenv_values(stream=io.StringIO(text), interpolate=interpolate)
    return {name: value for name, value in found.items() if value}


def _harmless(values: Mapping[str, str], session: Session) -> tuple[dict[str, str], dict[str, list[str]]]:
    """What of the working directory's file is taken; and the names that are not, by the reason."""
    taken: dict[str, str] = {}
    refused: dict[str, list[str]] = {}

    def refuse(names: Iterable[str], reason: str) -> None:
        if names := [name for name in names if name in values and name not in os.environ]:
            refused.setdefault(reason, []).extend(names)

    def take(*names: str) -> None:
        # One of them in the environment stands for all: a key of here with a token of there is nobody's.
        if any(os.environ.get(name) for name in names):
            refuse(names, "the environment has another of its kind")
        else:
            taken.update((name, values[name]) for name in names if name in values)

    settings = _settings()
    known = {*_KEYS, *_ENDPOINTS, *_REGIONS, "AWS_PROFILE", "AWS_EC2_METADATA_DISABLED", *settings}
    refuse((name for name in values if name.startswith(_OURS) and name not in known),
           "can run commands, or name files, roles or authorities to trust")  # fmt: skip
    # python-dotenv would put other variables' values there, whatever they hold.
    expanded = [name for name in known & values.keys() if "${" in values[name]]
    refuse(expanded, "holds a ${...}")
    values = {name: value for name, value in values.items() if name not in expanded}
    take(*_KEYS)
    if all(_REGION.fullmatch(values[name]) for name in _REGIONS if name in values):
        take(*_REGIONS)
    else:
        refuse(_REGIONS, "no name of a region")
    for name in ("AWS_PROFILE", "AWS_EC2_METADATA_DISABLED", *settings):
        take(name)
    if session.endpoint_url is not None:
        return taken, refused
    if {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= taken.keys() and session.profile is None:
        take(*_ENDPOINTS)
    else:
        refuse(_ENDPOINTS, "would be sent credentials that are not from the same file")
    return taken, refused


def _settings() -> tuple[str, ...]:
    from s3dlio_core import Tuning

    return ("S3DLIO_EVENT_LOOPS", *(f"S3DLIO_{field.name.upper()}" for field in fields(Tuning)))


def _fill(taken: Mapping[str, str], source: str) -> None:
    os.environ.update(taken)
    _sources.update(dict.fromkeys(taken, source))


def _shown(name: str, value: str) -> str:
    from s3dlio_core.cli.redaction import redact

    return f"{name}={redact(name, value)}" if name in (*_ENDPOINTS, "AWS_PROFILE") else name


def _tell(text: str) -> None:
    from s3dlio_core.cli.output import one_line

    print(f"s3dlio: {one_line(text)}", file=sys.stderr)
