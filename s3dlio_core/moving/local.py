"""Files of this machine as sources and targets of uploads and downloads."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from s3dlio_core.errors import InvalidArgumentError
from s3dlio_core.store import Store, open_store
from s3dlio_core.tuning import Tuning

__all__ = ["LocalFile", "files_of", "local_store", "safe_relative_path"]


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file to upload.

    Attributes:
        path: As found.
        name: Relative to the folder it was found through, or its last segment: what the key ends in.
        size: Bytes, as of now.
    """

    path: str
    name: str
    size: int


def files_of(patterns: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> Iterator[LocalFile]:
    """The files that paths and patterns name; a folder stands for everything below it.

    A path that exists is taken literally, also with *, ? or [ in it. Links are followed.

    Raises:
        FileNotFoundError: A path that does not exist, or a pattern that matches nothing.
        InvalidArgumentError: A folder that contains itself through a link.
    """
    single = [patterns] if isinstance(patterns, (str, os.PathLike)) else patterns
    for path_like in single:
        given = os.fspath(path_like)
        pattern = given.removeprefix("file://")
        found = [pattern] if os.path.lexists(pattern) else sorted(glob.glob(pattern, recursive=True))
        if not found:
            kind = "matches no file" if glob.has_magic(pattern) else "does not exist"
            raise FileNotFoundError(f'"{given}" {kind}')
        for path in found:
            if os.path.isdir(path):
                # "**" matches folders and, besides, the files in them.
                if not ("**" in pattern and path != pattern):
                    yield from _below(path, "", {os.path.realpath(path)})
            else:
                yield LocalFile(path, os.path.basename(path), _size_of(path))


def _below(folder: str, front: str, ancestors: set[str]) -> Iterator[LocalFile]:
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name)
    for entry in ordered:
        name = front + entry.name
        if not entry.is_dir():
            yield LocalFile(entry.path, name, _size_of(entry.path))
            continue
        real = os.path.realpath(entry.path)
        if real in ancestors:
            raise InvalidArgumentError(
                f"{entry.path} leads back to {real}, which it is in: there is no end to what lies below"
            )
        yield from _below(entry.path, name + "/", ancestors | {real})


def _size_of(path: str) -> int:
    """0 for what cannot be looked at, such as a link to nowhere: reading that one says why, and the others go on."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def safe_relative_path(name: str) -> str:
    """`name` itself if it is a path below a folder, whatever the folder is.

    Raises:
        InvalidArgumentError: Absolute, empty or dotted segments, a NUL: written as a path it would leave the folder, or
            meet another object's file.
    """
    wrong = [segment for segment in name.split("/") if segment in ("", ".", "..")]
    if wrong or "\0" in name:
        found = "a NUL" if "\0" in name else f'the segment "{wrong[0]}"'
        raise InvalidArgumentError(f"the key {name!r} cannot be a path below a folder: it has {found}")
    return name


def local_store(folder: str | os.PathLike[str]) -> Store:
    """`folder` as a store: keys cannot lead out of it, and a file appears only when it is whole.

    Unlike a file:// URI it does not wait for the disk: a download can be repeated.
    """
    path = os.path.abspath(os.path.expanduser(folder)).rstrip("/")
    return open_store(f"file://{path}/", tuning=replace(Tuning.from_environment(), sync_writes=False))
