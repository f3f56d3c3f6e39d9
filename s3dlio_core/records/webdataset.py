"""WebDataset shards: a sample is the run of members of a tar archive that share a name up to its first dot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from s3dlio_core.errors import RecordError
from s3dlio_core.records.format import RecordRange
from s3dlio_core.records.reader import HeadReader
from s3dlio_core.records.tar import Member, members

__all__ = ["WebDataset"]

_META_FOLDER = re.compile(r"__[^/]*__($|/)")


class WebDataset:
    """Samples of uncompressed tar shards, grouped by the rule of the webdataset library.

    "dir/0001.left.jpg" is the field "left.jpg" (in lower case) of the sample "dir/0001". Folders, devices, names
    without a dot, "__meta__" and other names of that form, and all below such a folder belong to no sample; neither do
    files whose name begins with a dot, of which that library makes a sample of its own where they lie in a folder. The
    range of a sample goes from its first header to its last block.
    """

    name = "webdataset"
    suffixes = (".tar",)

    def index(self, reader: HeadReader, size: int) -> Iterator[RecordRange]:
        """Reads headers only; members below 256 KiB are read through, which takes fewer requests."""
        key, start, end = "", 0, 0
        fields: set[str] = set()
        for member, sample, field in _fields(members(reader.at, size)):
            if not fields or sample != key:
                if fields:
                    yield RecordRange(start, end, key)
                key, start, fields = sample, member.start, set()
            _check_new(field, fields, member)
            fields.add(field)
            end = member.end
        if fields:
            yield RecordRange(start, end, key)

    def decode(self, data: memoryview, name: str, form: str = "") -> dict[str, Any]:
        """{"__key__": name of the sample, field: its bytes as a memoryview over `data`, ...}; no field is decoded."""
        sample: dict[str, Any] = {}
        fields: set[str] = set()

        def read(start: int, count: int) -> memoryview:
            return data[start : start + count]

        for member, key, field in _fields(members(read, len(data), is_part=True)):
            if sample.setdefault("__key__", key) != key:
                found = f"found members of {sample['__key__']!r} and {key!r}"
                raise RecordError(f"{found}; expected those of one sample, {name!r}")
            _check_new(field, fields, member)
            fields.add(field)
            sample[field] = data[member.data_start : member.data_start + member.size]
        if not sample:
            raise RecordError(f"found no member of the sample {name!r}; the index is of another archive")
        return sample


def _fields(found: Iterator[Member]) -> Iterator[tuple[Member, str, str]]:
    """(member, key of its sample, its field) of those that belong to samples."""
    for member in found:
        folder, slash, file = member.name.rpartition("/")
        stem, dot, field = file.partition(".")
        in_root = not slash and file.startswith("__") and file.endswith("__")
        is_meta = in_root or _META_FOLDER.match(member.name)
        if not stem or not dot or is_meta or not (member.is_file or member.is_link):
            continue
        if member.is_link:
            message = f"the member {member.name!r} at byte {member.start} is a link, so it has no bytes of its own"
            raise RecordError(f"{message}; write the shard with --dereference --hard-dereference")
        yield member, folder + slash + stem, field.lower()


def _check_new(field: str, fields: set[str], member: Member) -> None:
    if field in fields or field == "__key__":
        message = f"the member {member.name!r} at byte {member.start} brings the field {field!r} of its sample again"
        raise RecordError(f"{message}; expected each once")
