from __future__ import annotations

from pathlib import Path

import pytest
from core.cli.cli_program import Program


def test_one_object(program: Program, folder: Path) -> None:
    ended = program("get", f"file://{folder}/sub/deeper/e e.csv", ok=True)
    assert ended.stdout == b""
    assert "get: attempted=1, succeeded=1, failed=0, 5 B in" in ended.stderr


def test_everything_below(program: Program, folder: Path) -> None:
    document = program("get", "-r", "--json", f"file://{folder}/", ok=True).document
    assert (document["attempted"], document["succeeded"], document["bytes"]) == (7, 7, 29)


def test_a_pattern(program: Program, folder: Path) -> None:
    document = program("get", "-p", r"\.csv$", "--json", f"file://{folder}", ok=True).document
    assert (document["succeeded"], document["bytes"]) == (2, 3)


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["--offset", "2"], 3), (["--length", "2"], 2), (["--offset", "1", "--length", "3"], 3),
        (["--offset", "4", "--length", "9"], 1), (["--length", "0"], 0), (["--length", "100"], 5),
    ],
)  # fmt: skip
def test_a_part(program: Program, folder: Path, options: list[str], count: int) -> None:
    uri = f"file://{folder}/sub/deeper/e e.csv"
    assert program("get", uri, "--json", *options, ok=True).document["bytes"] == count


def test_a_part_past_the_end_fails(program: Program, folder: Path) -> None:
    ended = program("get", f"file://{folder}/a.csv", "--offset", "5", "--json")
    assert ended.status == 1
    assert ended.document["failures"][0]["error"] == "RangeNotSatisfiableError"


def test_a_missing_object_fails_in_one_line(program: Program, folder: Path) -> None:
    ended = program("get", f"file://{folder}/none")
    assert ended.status == 1
    assert len(ended.stderr.splitlines()) == 1
    assert f"file://{folder}/none" in ended.stderr


def test_keylist_of_keys_and_uris_goes_on_past_failures(program: Program, folder: Path, tmp_path: Path) -> None:
    keylist = tmp_path / "keys.txt"
    keylist.write_text(
        f"# comment\n\na.csv\nmissing\nsub/d.csv\r\nfile://{folder}/grün.txt\nx[1].txt\n", encoding="utf-8"
    )
    ended = program("get", "--keylist", keylist, f"file://{folder}", "--json")
    assert ended.status == 1
    assert (ended.document["attempted"], ended.document["succeeded"]) == (5, 4)
    assert ended.document["bytes"] == 1 + 4 + 6 + 8
    assert [failure["uri"] for failure in ended.document["failures"]] == [f"file://{folder}/missing"]
    assert ended.document["failures"][0]["error"] == "ObjectNotFoundError"
    assert "1 of 5 failed" in ended.stderr


def test_keylist_from_stdin(program: Program, folder: Path) -> None:
    uris = f"file://{folder}/a.csv\nfile://{folder}/b.csv\n".encode()
    assert program("get", "--keylist", "-", "--json", input=uris, ok=True).document["bytes"] == 3


def test_keylist_without_a_uri_for_keys(program: Program, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("only-a-key\n")
    ended = program("get", "--keylist", tmp_path / "keys")
    assert ended.status == 1
    assert "line 1" in ended.stderr


def test_into_a_folder(program: Program, folder: Path, tmp_path: Path) -> None:
    program("get", "-r", f"file://{folder}/", tmp_path / "copy", ok=True)
    for path in folder.rglob("*"):
        if path.is_file():
            assert (tmp_path / "copy" / path.relative_to(folder)).read_bytes() == path.read_bytes()


def test_wrong_usage(program: Program, folder: Path, tmp_path: Path) -> None:
    assert program("get").status == 2
    assert program("get", f"file://{folder}/a.csv", tmp_path, "--offset", "1").status == 2
    assert program("get", f"file://{folder}/a.csv", "-j", "5000").status == 2


def test_a_folder_is_no_object(program: Program, folder: Path) -> None:
    ended = program("get", f"file://{folder}/")
    assert ended.status == 1
    assert "names no object" in ended.stderr
