"""Strangers among data are called by their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3dlio_core import InvalidArgumentError, RecordError, open_store
from s3dlio_core.formats.foreign import named_for_what_it_is
from s3dlio_core.records import index_prefix

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 123\n"
STRANGERS = {
    "Git LFS pointer": LFS,
    "compressed by gzip": b"\x1f\x8b\x08" + bytes(600),
    "page of HTML": b"\n<!doctype html><html>" + b" " * 600,
    "HDF5 file": b"\x89HDF\r\n\x1a\n" + bytes(600),
    "NPY array": b"\x93NUMPY\x01\x00" + bytes(600),
}


@pytest.mark.parametrize("what", STRANGERS)
@pytest.mark.parametrize("format", ["tfrecord", "webdataset", "npz", "safetensors"])
def test_an_index_names_what_is_no_record_file(tmp_path: Path, format: str, what: str) -> None:
    (tmp_path / "a").write_bytes(STRANGERS[what])
    with open_store(f"file://{tmp_path}") as store, pytest.raises(RecordError, match=f"; it is .*{what}"):
        index_prefix(store, format)


def test_names_tell_as_well(tmp_path: Path) -> None:
    assert "Spark" in named_for_what_it_is("run/_SUCCESS")
    assert "text for readers" in named_for_what_it_is("README")
    assert "text for readers" in named_for_what_it_is("data/README.md")
    assert "gzip" in named_for_what_it_is("a/b.tar.gz")
    assert named_for_what_it_is("a/b.tar", b"anything else") == ""
    assert named_for_what_it_is("SUCCESS.tar") == ""
    (tmp_path / "a.tar").write_bytes(bytes(1024))
    (tmp_path / "_SUCCESS").write_bytes(b"")
    with open_store(f"file://{tmp_path}") as store, pytest.raises(InvalidArgumentError, match=r"_SUCCESS.*Spark"):
        index_prefix(store)
