"""What lies where an object of another format was expected: the usual strangers among data, called by their names."""

from __future__ import annotations

__all__ = ["FRONT_BYTES", "named_for_what_it_is"]

FRONT_BYTES = 64  # of an object's beginning; enough to know all of these

_FRONTS = {
    b"version https://git-lfs": "a Git LFS pointer, which stands for a file that was not fetched: run `git lfs pull` "
    "where it comes from, and store it again",
    b"\x1f\x8b": "compressed by gzip: store it unpacked, since a compressed object cannot be read by ranges",
    b"BZh": "compressed by bzip2: store it unpacked",
    b"\xfd7zXZ\x00": "compressed by xz: store it unpacked",
    b"\x28\xb5\x2f\xfd": "compressed by zstd: store it unpacked",
    b"PK\x03\x04": "a zip archive: what torch.save() and numpy.savez() write",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"\x93NUMPY": "an NPY array",
    b"PAR1": "a Parquet file",
    b"<!DOCTYPE": "a page of HTML, as a proxy or a login page sends it in place of a file",
    b"<html": "a page of HTML, as a proxy or a login page sends it in place of a file",
    b"<?xml": "an XML document: an error message of a service?",
}
_NAMES = {
    "_SUCCESS": "the empty mark that Spark and Hadoop leave beside their output",
    "README": "a text for readers",
    "LICENSE": "a text for readers",
    ".DS_Store": "a note of macOS about a folder",
}
_ENDINGS = {
    ".tar.gz": _FRONTS[b"\x1f\x8b"],
    ".tgz": _FRONTS[b"\x1f\x8b"],
    ".md": "a text for readers",
    ".json": "a JSON document",
}


def named_for_what_it_is(key: str, front: bytes | memoryview = b"") -> str:
    """What to add to an error about an object that is of another format than expected; "" where nobody knows.

    Args:
        front: The object's first FRONT_BYTES, as far as they are known.
    """
    begins = bytes(front[:FRONT_BYTES]).lstrip(b"\xef\xbb\xbf \r\n\t") or b""
    found = next((what for mark, what in _FRONTS.items() if begins.lower().startswith(mark.lower())), "")
    name = key.rpartition("/")[2]
    found = found or next((what for stem, what in _NAMES.items() if name.partition(".")[0] == stem or name == stem), "")
    found = found or next((what for ending, what in _ENDINGS.items() if name.endswith(ending)), "")
    return f"; it is {found}" if found else ""
