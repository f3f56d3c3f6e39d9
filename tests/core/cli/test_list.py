from __future__ import annotations

from pathlib import Path

import pytest
from core.cli.cli_program import Program


def names(uris: list[str], folder: Path) -> list[str]:
    return [uri.removeprefix(f"file://{folder}/") for uri in uris]


def test_one_level_with_folders(program: Program, folder: Path) -> None:
    found = program("ls", f"file://{folder}/", ok=True)
    assert names(found.lines, folder) == ["a.csv", "b.csv", "c.bin", "grün.txt", "sub/", "x[1].txt"]
    assert found.stderr == ""


def test_everything_below(program: Program, folder: Path) -> None:
    found = names(program("list", "-r", f"file://{folder}/", ok=True).lines, folder)
    assert found == ["a.csv", "b.csv", "c.bin", "grün.txt", "sub/d.csv", "sub/deeper/e e.csv", "x[1].txt"]


def test_a_plain_last_segment_is_a_literal_prefix(program: Program, folder: Path) -> None:
    (folder / "a.csv.bak").write_bytes(b"")
    (folder / "axcsv").write_bytes(b"")
    assert names(program("ls", f"file://{folder}/a.csv", ok=True).lines, folder) == ["a.csv", "a.csv.bak"]
    assert names(program("ls", f"file://{folder}/su", ok=True).lines, folder) == ["sub/"]


@pytest.mark.parametrize(
    ("segment", "found"),
    [
        (r".*\.csv$", ["a.csv", "b.csv"]),
        (r"^[ab]\.", ["a.csv", "b.csv"]),
        (r"s(u)b/", ["sub/"]),
        (r"(", None),
    ],
)
def test_a_last_segment_with_regular_expression_characters_is_one(
    program: Program, folder: Path, segment: str, found: list[str] | None
) -> None:
    ended = program("ls", f"file://{folder}/{segment}")
    if found is None:
        assert ended.status == 2
        assert "no regular expression" in ended.stderr
    elif segment.endswith("/"):  # the last segment is empty then: a folder named by exact characters
        assert ended.lines == []
    else:
        assert names(ended.lines, folder) == found


def test_the_expression_looks_deeper_with_r(program: Program, folder: Path) -> None:
    found = program("ls", "-r", rf"file://{folder}/d.*\.csv", ok=True)
    assert names(found.lines, folder) == ["sub/d.csv", "sub/deeper/e e.csv"]


def test_literal_turns_expressions_off(program: Program, folder: Path) -> None:
    assert names(program("ls", "--literal", f"file://{folder}/x[1]", ok=True).lines, folder) == ["x[1].txt"]
    assert program("ls", f"file://{folder}/x[1]").lines == []


def test_pattern_is_searched_below_the_uri(program: Program, folder: Path) -> None:
    found = program("ls", "-r", "-p", r"^sub/.*\.csv$", f"file://{folder}/", ok=True)
    assert names(found.lines, folder) == ["sub/d.csv", "sub/deeper/e e.csv"]
    bad = program("ls", "-p", "[", f"file://{folder}/")
    assert bad.status == 2
    assert "regular expression" in bad.stderr


def test_count_and_long(program: Program, folder: Path) -> None:
    assert program("ls", "-r", "-c", f"file://{folder}/", ok=True).lines == ["7 objects, 29 bytes (29 B)"]
    document = program("ls", "-r", "-c", "--json", f"file://{folder}/", ok=True).document
    assert document == {"uri": f"file://{folder}/", "objects": 7, "bytes": 29}
    size, time, uri = program("ls", "-l", f"file://{folder}/a.csv", ok=True).lines[0].split()
    assert (size, uri) == ("1", f"file://{folder}/a.csv")
    assert time.endswith("Z")


def test_json_is_a_document_a_line(program: Program, folder: Path) -> None:
    documents = program("ls", "--json", f"file://{folder}/", ok=True).documents
    by_uri = {document["uri"]: document for document in documents}
    assert by_uri[f"file://{folder}/sub/"] == {"type": "prefix", "uri": f"file://{folder}/sub/"}
    umlaut = by_uri[f"file://{folder}/grün.txt"]
    assert set(umlaut) == {"type", "uri", "key", "size", "etag", "last_modified", "storage_class"}
    assert (umlaut["type"], umlaut["key"], umlaut["size"]) == ("object", "grün.txt", 6)


def test_nothing_below_is_no_error(program: Program, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert program("ls", f"file://{tmp_path}/empty/", ok=True).lines == []


@pytest.mark.parametrize("uri", ["no-uri", "ftp://x/y", "file://relative/x", "s3://", "/tmp/x"])
def test_what_is_no_uri_is_named_in_one_line(program: Program, uri: str) -> None:
    ended = program("ls", uri)
    assert ended.status == 1
    assert uri in ended.stderr
    assert "expected" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
