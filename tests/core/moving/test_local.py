"""Which local files are meant, and which names may become files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from s3dlio_core import InvalidArgumentError
from s3dlio_core.moving.local import files_of, safe_relative_path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a.bin", "b.txt", "sub/c.bin", "sub/deep/d.bin", "odd[1]*.bin"):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "tree"


def names(found: object) -> list[str]:
    return sorted(file.name for file in found)  # type: ignore[attr-defined]


def test_file(tree: Path) -> None:
    (found,) = files_of(tree / "sub/c.bin")
    assert (found.name, found.size) == ("c.bin", 9)


def test_folder_stands_for_what_is_below(tree: Path) -> None:
    assert names(files_of(str(tree))) == ["a.bin", "b.txt", "odd[1]*.bin", "sub/c.bin", "sub/deep/d.bin"]
    assert names(files_of([tree / "sub", tree / "a.bin"])) == ["a.bin", "c.bin", "deep/d.bin"]


def test_patterns(tree: Path) -> None:
    assert names(files_of(f"{tree}/*.bin")) == ["a.bin", "odd[1]*.bin"]
    assert names(files_of(f"{tree}/**/*.bin")) == ["a.bin", "c.bin", "d.bin", "odd[1]*.bin"]


def test_name_that_exists_is_no_pattern(tree: Path) -> None:
    assert names(files_of(f"{tree}/odd[1]*.bin")) == ["odd[1]*.bin"]


def test_nothing_there(tree: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        list(files_of(tree / "none"))
    with pytest.raises(FileNotFoundError, match="matches no file"):
        list(files_of(f"{tree}/*.none"))


def test_links_are_followed_and_circles_found(tree: Path) -> None:
    outside = tree.parent / "outside.bin"
    outside.write_bytes(b"12345")
    (tree / "sub/link.bin").symlink_to(outside)
    (found,) = [file for file in files_of(tree) if file.name == "sub/link.bin"]
    assert found.size == 5
    (tree / "sub/back").symlink_to(tree)
    with pytest.raises(InvalidArgumentError, match="leads back"):
        list(files_of(tree))


@pytest.mark.parametrize("name", ["a", "a/b", "...", "a..b/..c", "a b", "-x", "~"])
def test_safe_names_stay_as_they_are(name: str) -> None:
    assert safe_relative_path(name) == name
    assert os.path.normpath(name) == name


@pytest.mark.parametrize("name", ["", "/etc/x", "../x", "a/../../x", "a//b", "a/", "./a", "a/.", "..", "a\0b"])
def test_unsafe_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidArgumentError, match="key"):
        safe_relative_path(name)
