"""What a `torch.save` archive holds and where: its directory, its pickle, and the storages the pickle speaks of."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import Any, NoReturn

from s3dlio_core.checkpoint.pickle_depth import check_tuples
from s3dlio_core.checksum import crc32
from s3dlio_core.errors import CheckpointError, ChecksumMismatchError, StorageError
from s3dlio_core.formats.seekable import SeekableFile
from s3dlio_core.weights.fill import Fill, fill_many
from s3dlio_core.weights.generation import Generation

__all__ = [
    "Archive",
    "PartialFile",
    "Record",
    "Reference",
    "UnusualArchive",
    "check_whole",
    "mismatch",
    "open_archive",
    "references_in",
]

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_LOCAL_MAGIC = b"PK\3\4"
_END_BYTES = 64 << 10  # front and back are read this far at once; most directories are smaller
_LIMIT = 0xFFFFFFFF


class UnusualArchive(Exception):
    """Not what torch writes, and perhaps sound: torch itself has to read it."""


@dataclass(frozen=True, slots=True)
class Record:
    """One member of the archive.

    Attributes:
        name: Without the archive's own name before it: "data.pkl", "data/0", ...
        header: Offset of its local header.
        size: Bytes of its contents.
        crc: CRC-32 of its contents.
    """

    name: str
    full_name: bytes
    header: int
    size: int
    crc: int

    @property
    def header_size(self) -> int:
        """Bytes of the local header but for its extra fields, which have the contents behind them."""
        return _LOCAL.size + len(self.full_name)

    def likely_start(self, alignment: int) -> int:
        """Where torch puts the contents: padded to `alignment`, behind a header of known length."""
        start = self.header + self.header_size + 4
        if self.size >= _LIMIT or self.header >= _LIMIT:
            start += 4 + 16 * (self.size >= _LIMIT) + 8 * (self.header >= _LIMIT)
        return -(-start // alignment) * alignment

    def start_in(self, header: Any, source: Generation) -> int:
        """Where the contents are, as the local header (its first `header_size` bytes) tells.

        Raises:
            CheckpointError: It is not this record's header, or the contents would reach beyond the object.
        """
        view = memoryview(header)
        magic, _, flags, method, *_, name_size, extra_size = _LOCAL.unpack(view[: _LOCAL.size])
        name = bytes(view[_LOCAL.size : _LOCAL.size + name_size])
        if magic != _LOCAL_MAGIC or name != self.full_name or method != 0 or flags & 1:
            where = f"at byte {self.header} the header of record {self.name} was expected"
            refuse(source.uri, f"{where}; the archive is damaged")
        start = self.header + self.header_size + extra_size
        if start + self.size > source.size:
            refuse(source.uri, f"the record {self.name} reaches beyond the object's end")
        return int(start)


class PartialFile(SeekableFile):
    """An object as a seekable file of which some pieces are in memory; others are read when asked for."""

    def __init__(self, source: Generation) -> None:
        super().__init__(source.size)
        self._source = source
        self._pieces: list[tuple[int, memoryview]] = []

    def keep(self, ranges: list[tuple[int, int]]) -> None:
        """Read these ranges, in one call, and hold them."""
        missing = [(start, end) for start, end in ranges if end > start and self._held(start, end) is None]
        targets = [bytearray(end - start) for start, end in missing]
        if missing:
            fill_many([Fill(self._source, missing, targets)], 1)
        self._pieces += [(start, memoryview(target)) for (start, _), target in zip(missing, targets, strict=True)]

    def bytes_at(self, start: int, end: int) -> memoryview:
        """Bytes [start, end), which lie inside the object."""
        held = self._held(start, end)
        if held is not None:
            return held
        self.keep([(start, end)])
        return self._pieces[-1][1]

    def _held(self, start: int, end: int) -> memoryview | None:
        if start == end:
            return memoryview(b"")
        for place, piece in self._pieces:
            if place <= start and end <= place + len(piece):
                return piece[start - place : end - place]
        return None


@dataclass(frozen=True, slots=True)
class Archive:
    """The records of an archive whose small ones have been read and compared with their CRC-32.

    Attributes:
        storages: By key: "0", "1", ...
        alignment: Of the storages' contents.
        has_checksums: False where the writer was told to compute none.
        file: For torch, to read the rest from.
    """

    source: Generation
    storages: dict[str, Record]
    pickle: bytes
    alignment: int
    has_checksums: bool
    file: PartialFile


def open_archive(source: Generation) -> Archive:
    """Read all of an archive but its storages.

    Raises:
        UnusualArchive: It is none, or one that torch does not write this way: compressed, encrypted, byte-swapped.
        CheckpointError: It contradicts itself, or was cut short.
        ChecksumMismatchError: A record differs from its CRC-32; the message names it.
    """
    file = PartialFile(source)
    ends = sorted({0, max(0, source.size - _END_BYTES)})
    file.keep([(start, min(start + _END_BYTES, source.size)) for start in ends])
    if source.size < 4 or bytes(file.bytes_at(0, 4)) != _LOCAL_MAGIC:
        raise UnusualArchive
    records, directory = _records(file, source)
    storages = {name[5:]: record for name, record in records.items() if name.startswith("data/")}
    others = {name: record for name, record in records.items() if not name.startswith("data/")}
    if "constants.pkl" in others:  # TorchScript
        raise UnusualArchive
    if "data.pkl" not in others:
        refuse(source.uri, "the archive has no record data.pkl; torch.save did not write it, or it is damaged")
    has_checksums = any(record.crc for record in records.values())
    ordered = sorted(record.header for record in records.values())
    following = dict(zip(ordered, [*ordered[1:], directory], strict=True))
    file.keep([(record.header, following[record.header]) for record in others.values()])
    contents = {name: _contents(file, record, source, has_checksums) for name, record in others.items()}
    if contents.get("byteorder", b"little") != b"little":
        raise UnusualArchive
    alignment = contents.get(".storage_alignment", b"64")
    # Only tells where to look first: what it says of other writers' archives is found wrong, and put right.
    usual = alignment.isdigit() and len(alignment) < 6 and int(alignment) > 0
    return Archive(source, storages, contents["data.pkl"], int(alignment) if usual else 64, has_checksums, file)


def _records(file: PartialFile, source: Generation) -> tuple[dict[str, Record], int]:
    """The records by name, and where the directory begins."""
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, struct.error, NotImplementedError) as error:
        message = f"the archive's directory cannot be read ({error}); the object was cut short, or is damaged"
        raise CheckpointError(message, operation="load", uri=source.uri) from error
    entries = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
    if any(entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 for entry in entries):
        raise UnusualArchive
    records: dict[str, Record] = {}
    reached = 0
    prefix = entries[0].orig_filename.partition("/")[0] + "/" if entries else ""
    for entry in entries:
        name = entry.orig_filename
        if not name.startswith(prefix) or entry.file_size != entry.compress_size:
            refuse(
                source.uri, f"the archive's directory has a record {name[:100]!r} of two sizes, or outside {prefix!r}"
            )
        name = name[len(prefix) :]
        if name in records:
            refuse(source.uri, f"the archive holds the record {name} twice")
        if entry.header_offset < reached:
            refuse(source.uri, f"the record {name} overlaps the one before it; the archive is damaged")
        full_name = entry.orig_filename.encode("utf-8" if entry.flag_bits & 0x800 else "cp437")
        records[name] = Record(name, full_name, entry.header_offset, entry.file_size, entry.CRC)
        reached = entry.header_offset + records[name].header_size + entry.file_size
    if reached > archive.start_dir:
        refuse(source.uri, f"the record {name} reaches into the directory; the archive is damaged")
    return records, archive.start_dir


def _contents(file: PartialFile, record: Record, source: Generation, has_checksums: bool) -> bytes:
    start = record.start_in(file.bytes_at(record.header, record.header + record.header_size), source)
    contents = bytes(file.bytes_at(start, start + record.size))
    if has_checksums and crc32(contents) != record.crc:
        raise mismatch(record, crc32(contents), source.uri)
    return contents


def check_whole(reader: io.RawIOBase, uri: str) -> None:
    """Compare every record of a zip archive with its CRC-32; objects of other formats have none.

    Raises:
        ChecksumMismatchError: One differs.
        CheckpointError: The archive is damaged.
    """
    if reader.read(4) != _LOCAL_MAGIC:
        return
    try:
        archive = zipfile.ZipFile(reader)
        found = archive.testzip() if any(entry.CRC for entry in archive.infolist()) else None
    except StorageError:
        raise
    except (zipfile.BadZipFile, zlib.error, ValueError, struct.error, NotImplementedError, RuntimeError) as error:
        raise CheckpointError(f"the archive cannot be read: {error}", operation="load", uri=uri) from error
    if found is not None:
        message = f"the record {found[:100]} differs from its CRC-32, or from what the directory says of it"
        raise ChecksumMismatchError(message, operation="load", uri=uri)


def mismatch(record: Record, found: int, uri: str) -> ChecksumMismatchError:
    """The error of a record whose bytes are not those that were stored."""
    message = f"the record {record.name} ({record.size} bytes) has the CRC-32 {found:08x}; {record.crc:08x} was stored"
    return ChecksumMismatchError(message, operation="load", uri=uri)


def refuse(uri: str, message: str) -> NoReturn:
    raise CheckpointError(message, operation="load", uri=uri)


# ---- the pickle ----
@dataclass(frozen=True, slots=True)
class Reference:
    """A storage the pickle speaks of.

    Attributes:
        key: Its record is data/<key>.
        location: Where it lay when it was saved: "cpu", "cuda:0", ...
        nbytes: Its size.
    """

    key: str
    location: str
    nbytes: int


class _Inert:
    """Stands for every class, function and object a pickle names. Whatever is done with it does nothing."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        pass

    def extend(self, values: Any) -> None:
        pass

    def add(self, value: Any) -> None:
        pass


# Classes of storages, by the names they have in pickles, and what their elements take.
_ITEM_SIZES = {
    "UntypedStorage": 1, "BoolStorage": 1, "ByteStorage": 1, "CharStorage": 1, "ShortStorage": 2, "IntStorage": 4,
    "LongStorage": 8, "HalfStorage": 2, "BFloat16Storage": 2, "FloatStorage": 4, "DoubleStorage": 8,
    "ComplexFloatStorage": 8, "ComplexDoubleStorage": 16, "QInt8Storage": 1, "QUInt8Storage": 1, "QInt32Storage": 4,
    "QUInt4x2Storage": 1, "QUInt2x4Storage": 1,
}  # fmt: skip
_STORAGES = {name: type(name, (_Inert,), {"item_size": size}) for name, size in _ITEM_SIZES.items()}


# The one in Python, whose memo is a dict: the one in C takes memory for as many entries as a pickle claims to have.
class _ReferenceScanner(pickle._Unpickler):
    """Goes through a pickle without importing, calling or building anything of it."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="utf-8")
        self.references: list[Reference] = []

    def find_class(self, module: str, name: str) -> Any:
        return _STORAGES.get(name, _Inert) if module in ("torch", "torch.storage") else _Inert

    def get_extension(self, code: int) -> Any:
        raise pickle.UnpicklingError("extension codes are not used by torch")

    def persistent_load(self, saved: Any) -> Any:
        _, kind, key, location, count = saved
        if isinstance(location, bytes):
            location = location.decode("ascii")
        if not isinstance(key, str) or not isinstance(location, str) or not isinstance(count, int):
            raise pickle.UnpicklingError("a storage without a name or a size")
        self.references.append(Reference(key, location, count * kind.item_size))
        return _Inert()


def references_in(data: bytes) -> list[Reference] | None:
    """The storages a pickle speaks of, in the order and as often as it does; None if it cannot be gone through.

    Nothing the pickle names is imported or called.
    """
    scanner = _ReferenceScanner(data)
    try:
        check_tuples(data)  # the scanner hashes keys too
        scanner.load()
    except Exception:  # torch's own unpickler will say what is wrong with it, and refuse it
        return None
    return scanner.references
