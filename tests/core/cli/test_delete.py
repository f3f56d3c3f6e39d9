from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from core.cli.cli_program import Ended, Program, access
from servers.fault_server import FaultServer


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
    ended = program("rm", rf"file://{folder}/.*\.csv")
    assert ended.status == 1
    assert "characters such as * mean themselves, -p takes a regular expression" in ended.stderr
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


@pytest.mark.parametrize(
    "arguments",
    [("rm", "{}/nothing"), ("rm", "-r", "{}/nothing"), ("rm", "-p", "nothing", "{}/"),
     ("rm", "-r", "--dry-run", "{}/no"),
     ("ls", "{}/nothing"), ("ls", "-r", "-p", "nothing", "{}/"), ("ls", "-c", "{}/nothing"), ("ls", "{}/nothing.*"),
     ("cp", "-r", "{}/nothing", "none"), ("cp", "-p", "nothing", "{}/", "none"), ("cat", "{}/nothing"),
     ("get", "-r", "{}/nothing"), ("get", "-p", "nothing", "{}/"), ("get", "--keylist", "/dev/null"),
     ("download", "{}/nothing", "none"), ("download", "-p", "nothing", "{}/", "none"), ("stat", "{}/nothing"),
     ("index", "-p", "nothing", "{}/"), ("upload", "{}/empty/", "{}/up/")],
    ids=lambda words: " ".join(words),
)  # fmt: skip
def test_nothing_found_is_status_1_for_every_command(
    program: Program, folder: Path, arguments: tuple[str, ...]
) -> None:
    (folder / "empty").mkdir()
    local = arguments[0] == "upload"
    ended = program(
        *(word.format(folder if local and i == 1 else f"file://{folder}") for i, word in enumerate(arguments))
    )
    assert ended.status == 1
    assert "nothing" in ended.stderr or "/dev/null" in ended.stderr or "empty" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not Path("none").exists()


def test_an_empty_folder_that_is_there_can_be_listed(program: Program, tmp_path: Path) -> None:
    assert program("ls", f"file://{tmp_path}/", ok=True).lines == []
    assert program("ls", f"file://{tmp_path}/none/").status == 1


def test_how_many_are_gone_is_told(program: Program, folder: Path) -> None:
    assert program("rm", f"file://{folder}/a.csv", ok=True).stderr.startswith(
        "delete: attempted=1, succeeded=1, failed=0 in "
    )
    assert "attempted=2, succeeded=2," in program("rm", "-r", f"file://{folder}/sub", ok=True).stderr


def test_a_link_to_nowhere_can_be_deleted(program: Program, folder: Path) -> None:
    for target in ("nowhere", "/", "a.csv"):
        (folder / "link").symlink_to(target)
        program("rm", f"file://{folder}/link", ok=True)
        assert not (folder / "link").is_symlink()
    assert (folder / "a.csv").exists()


def test_a_folder_without_r_is_refused(program: Program, folder: Path) -> None:
    before = left(folder)
    for uri in (f"file://{folder}/sub", f"file://{folder}/sub/"):
        assert program("rm", uri).status == 1
    assert left(folder) == before


@pytest.fixture
def s3(program: Program, fault_server: FaultServer) -> Any:
    def run(*arguments: str, **options: Any) -> Ended:
        return program(*arguments, env=access(fault_server), **options)

    return run


def test_a_folder_of_a_bucket_without_r_is_refused_with_a_count(s3: Any, fault_server: FaultServer) -> None:
    for name in ("a", "b"):
        fault_server.put_object("data", f"folder/{name}", b"")
    for uri in ("s3://data/folder/", "s3://data/folder"):
        ended = s3("rm", uri)
        assert ended.status == 1
        assert (
            "no object but a folder: 2 lie below it, such as s3://data/folder/a; nothing was deleted: -r"
            in ended.stderr
        )
    assert s3("rm", "s3://data/*").status == 1
    assert set(fault_server.objects.buckets["data"]) == {"folder/a", "folder/b"}


def test_the_marker_of_a_folder_is_an_object(s3: Any, fault_server: FaultServer) -> None:
    for key in ("folder/", "folder/a", "empty/"):
        fault_server.put_object("data", key, b"")
    s3("rm", "s3://data/empty/", ok=True)
    # Deleted, it would take with it what lies below, at some services.
    assert s3("rm", "s3://data/folder/").status == 1
    assert set(fault_server.objects.buckets["data"]) == {"folder/", "folder/a"}


@pytest.mark.parametrize("pattern", [(), ("-p", ""), ("-p", ".*"), ("-p", "^")])
def test_a_whole_bucket_needs_a_word(s3: Any, fault_server: FaultServer, pattern: tuple[str, ...]) -> None:
    fault_server.put_object("data", "a", b"")
    for uri in ("s3://data", "s3://data/"):
        ended = s3("rm", "-r", *pattern, uri)
        assert ended.status == 2
        assert "--yes" in ended.stderr
        assert s3("rm", "-r", *pattern, "--dry-run", uri, ok=True).lines == ["s3://data/a"]
    assert fault_server.count("delete_many") + fault_server.count("delete") == 0
    s3("rm", "-r", *pattern, "--yes", "s3://data", ok=True)
    assert fault_server.objects.buckets["data"] == {}


def test_a_pattern_chooses_without_a_word(s3: Any, fault_server: FaultServer) -> None:
    for key in ("a.tmp", "b"):
        fault_server.put_object("data", key, b"")
    s3("rm", "-r", "-p", r"\.tmp$", "s3://data", ok=True)
    assert set(fault_server.objects.buckets["data"]) == {"b"}


def test_who_may_not_look_may_still_delete(s3: Any, fault_server: FaultServer) -> None:
    fault_server.put_object("data", "a", b"")
    fault_server.fault("head", times=None, status=403)
    s3("rm", "s3://data/a", ok=True)
    assert fault_server.objects.buckets["data"] == {}


def test_a_bucket_that_is_not_empty_stays(s3: Any, fault_server: FaultServer) -> None:
    """Also where the service would delete it with all that is in it."""
    fault_server.put_object("data", "deep/below", b"")
    fault_server.fault("delete_bucket", times=None, status=204)
    ended = s3("delete-bucket", "data")
    assert ended.status == 1
    assert 's3://data/: objects are in it, such as "deep/below"' in ended.stderr
    assert fault_server.count("delete_bucket") == 0
