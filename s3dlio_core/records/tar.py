"""The members of a tar archive, one after the other, and nothing taken on trust.

tarfile.TarInfo reads the single header. Walking from one to the next is done here, because tarfile takes a damaged
header in the middle of an archive for its end, and believes any size that an extended header claims.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from s3dlio_core.errors import RecordError

__all__ = ["Member", "members"]

BLOCK = tarfile.BLOCKSIZE
_MOST_EXTENDED = 1 << 20  # bytes of one extended header: names and a few attributes
_MOST_BEHIND_END = 1 << 20  # zeros that pad an archive; tar pads to 10 KiB
_PAX_TYPES = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
_NO_DATA = (tarfile.DIRTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)
_PAX_LENGTH = re.compile(rb"[1-9][0-9]{0,6} ")
_PAX_SIZE = re.compile(rb"[0-9]{1,19}")

Read = Callable[[int, int], memoryview]  # read(start, count): exactly these bytes, or RecordError


class Member(NamedTuple):
    """One member.

    Attributes:
        start: First byte of its first header, extended ones included.
        data_start: First byte of its contents.
        size: Bytes of its contents.
        end: One past its last block.
        name: Path as stored.
        is_file: Neither a folder nor a link nor a device.
        is_link: Hard or symbolic.
    """

    start: int
    data_start: int
    size: int
    end: int
    name: str
    is_file: bool
    is_link: bool


@dataclass
class _Extended:
    """What extended headers say of the member behind them."""

    start: int
    name: str | None = None
    size: int | None = None


def members(read: Read, size: int, *, is_part: bool = False) -> Iterator[Member]:
    """The members of an archive of `size` bytes.

    Args:
        is_part: `size` bytes are some members only; otherwise the archive must have its end mark.
    Raises:
        RecordError: Cut short, damaged, or something that has no plain contents (sparse files).
    """
    position = 0
    extended: _Extended | None = None
    while position < size:
        if size - position < BLOCK:
            raise RecordError(f"the header at byte {position} has {size - position} bytes; expected {BLOCK}; cut short")
        block = bytes(read(position, BLOCK))
        if not any(block):
            if extended is not None:
                raise RecordError(f"the extended header at byte {extended.start} has no member behind it; cut short")
            if is_part:
                raise RecordError(f"the archive ends at byte {position}, inside a record; the index is of another one")
            _check_rest(read, position, size)
            return
        info = _header(block, position)
        if info.type in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XGLTYPE, *_PAX_TYPES):
            extended = extended or _Extended(position)
            position = _take_extended(read, info, position, size, extended)
            if info.type == tarfile.XGLTYPE and extended.name is None and extended.size is None:
                extended = None
            continue
        member = _member(info, position, size, extended)
        yield member
        position, extended = member.end, None
    if extended is not None or not is_part:
        raise RecordError(f"the archive has no end mark at byte {size}; it was cut short")


def _header(block: bytes, position: int) -> tarfile.TarInfo:
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        packed = position == 0 and block.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd"))
        cause = "it is compressed, so its samples have no ranges" if packed else "damaged, or no tar archive"
        raise RecordError(f"the block at byte {position} is no tar header ({error}); {cause}") from error
    if info.size < 0:
        raise RecordError(f"the header at byte {position} claims {info.size} bytes; damaged")
    return info


def _member(info: tarfile.TarInfo, position: int, size: int, extended: _Extended | None) -> Member:
    if info.type == tarfile.GNUTYPE_SPARSE:
        raise RecordError(f"the member at byte {position} is a sparse file; write the archive without --sparse")
    name, contents, start = info.name, info.size, position
    if extended is not None:
        start = extended.start
        name = name if extended.name is None else extended.name
        contents = contents if extended.size is None else extended.size
    if info.type in _NO_DATA:
        contents = 0
    data_start = position + BLOCK
    end = data_start + _padded(contents)
    if end > size:
        left = size - data_start
        message = f"the member {name!r} at byte {position} needs {_padded(contents)} bytes, {left} are left"
        raise RecordError(f"{message}; the archive was cut short, or its header is damaged")
    is_file = info.type not in _NO_DATA and not name.endswith("/")
    return Member(start, data_start, contents, end, name, is_file, info.islnk() or info.issym())


def _take_extended(read: Read, info: tarfile.TarInfo, position: int, size: int, into: _Extended) -> int:
    """Note what an extended header says; gives where the next header is."""
    start = position + BLOCK
    end = start + _padded(info.size)
    if info.size > _MOST_EXTENDED:
        raise RecordError(f"the extended header at byte {position} claims {info.size} bytes; expected 1 MiB at most")
    if end > size:
        raise RecordError(f"the extended header at byte {position} is cut short")
    contents = bytes(read(start, info.size)) if info.size else b""
    if info.type == tarfile.GNUTYPE_LONGNAME:
        into.name = _text(contents.partition(b"\0")[0])
    elif info.type != tarfile.GNUTYPE_LONGLINK:
        for key, value in _pax_records(contents, position):
            _take_pax(key, value, info.type == tarfile.XGLTYPE, position, into)
    return end


def _take_pax(key: bytes, value: bytes, is_global: bool, position: int, into: _Extended) -> None:
    if key.startswith(b"GNU.sparse"):
        raise RecordError(f"the member at byte {position} is a sparse file; write the archive without --sparse")
    if key not in (b"path", b"size"):
        return
    if is_global:
        # It would hold for all members behind it, also for one that is read by itself.
        raise RecordError(f"the global header at byte {position} sets {key.decode()!r}; expected that of each member")
    if key == b"path":
        into.name = _text(value)
    elif _PAX_SIZE.fullmatch(value):
        into.size = int(value)
    else:
        raise RecordError(f"the extended header at byte {position} has the size {value[:40]!r}; expected a number")


def _pax_records(contents: bytes, position: int) -> Iterator[tuple[bytes, bytes]]:
    """Records of the form b"<length> <key>=<value>\\n", where the length counts all of it."""
    offset = 0
    while offset < len(contents):
        length = _PAX_LENGTH.match(contents, offset)
        end = offset + int(length[0]) if length else 0
        # Some writers pad with zeros.
        if length is None and not any(contents[offset:]):
            return
        if length is None or not length.end() < end <= len(contents) or contents[end - 1 : end] != b"\n":
            raise RecordError(f"the extended header at byte {position} is damaged at its byte {offset}")
        key, equals, value = contents[length.end() : end - 1].partition(b"=")
        if not equals:
            raise RecordError(f"the extended header at byte {position} has no '=' in the record at its byte {offset}")
        yield key, value
        offset = end


def _check_rest(read: Read, position: int, size: int) -> None:
    """Behind the end mark there may be zeros only: another archive there would be passed over in silence."""
    rest = size - position
    if rest > _MOST_BEHIND_END or any(read(position, rest)):
        raise RecordError(
            f"data follows the archive's end at byte {position} of {size}; archives joined with cat must be unpacked "
            "and packed as one (tar --concatenate)"
        )


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
