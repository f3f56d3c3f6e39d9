from __future__ import annotations

from pathlib import Path

from core.cli.cli_program import Program


def left(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_exactly_one_key(program: Program, folder: Path) -> None:
    (folder / "a.csv.bak").write_bytes(b"")
    (folder / "xa.csv").write_bytes(b"")
    before = left(folder)
    program("rm", f"file://{folder}/a.csv", ok=True)
    assert left(folder) == before - {"a.csv"}


def test_regular_expression_characters_mean_themselves(program: Program, folder: Path) -> None:
    before = left(folder)
    program("rm", rf"file://{folder}/.*\.csv", ok=True)
    assert left(folder) == before
    program("rm", f"file://{folder}/x[1].txt", ok=True)
    assert left(folder) == before - {"x[1].txt"}


def test_pattern_on_one_level_and_on_all(program: Program, folder: Path) -> None:
    before = left(folder)
    program("rm", "-p", r"\.csv$", f"file://{folder}/", ok=True)
    assert left(folder) == before - {"a.csv", "b.csv"}
    program("delete", "-r", "-p", r"\.csv$", f"file://{folder}/", ok=True)
    assert left(folder) == before - {"a.csv", "b.csv", "sub/d.csv", "sub/deeper/e e.csv"}


def test_recursive_takes_the_folder_and_not_its_neighbours(program: Program, folder: Path) -> None:
    (folder / "subway.txt").write_bytes(b"")
    before = left(folder)
    program("rm", "-r", f"file://{folder}/sub", ok=True)
    assert left(folder) == before - {"sub/d.csv", "sub/deeper/e e.csv"}


def test_dry_run_only_prints(program: Program, folder: Path) -> None:
    before = left(folder)
    ended = program("rm", "-r", "-p", "csv", "--dry-run", f"file://{folder}/sub/", ok=True)
    assert ended.lines == [f"file://{folder}/sub/d.csv", f"file://{folder}/sub/deeper/e e.csv"]
    assert left(folder) == before


def test_json_tells_how_many(program: Program, folder: Path) -> None:
    document = program("rm", "-r", "--json", f"file://{folder}/sub/", ok=True).document
    assert (document["operation"], document["attempted"], document["succeeded"]) == ("delete", 2, 2)


def test_nothing_there_is_said_and_no_failure(program: Program, folder: Path) -> None:
    ended = program("rm", "-r", f"file://{folder}/nothing", ok=True)
    assert "nothing" in ended.stderr


def test_a_folder_without_r_is_refused(program: Program, folder: Path) -> None:
    before = left(folder)
    for uri in (f"file://{folder}/sub", f"file://{folder}/sub/"):
        assert program("rm", uri).status == 1
    assert left(folder) == before
