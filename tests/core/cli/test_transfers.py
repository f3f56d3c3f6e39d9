"""upload, download and cp between folders; the same over S3 is in test_s3.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from core.cli.cli_program import Program

from s3dlio_core.datagen import generate_data


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_folders_go_up_and_down_with_their_paths(program: Program, folder: Path, tmp_path: Path) -> None:
    program("upload", folder, f"file://{tmp_path}/store/", ok=True)
    assert tree(tmp_path / "store") == tree(folder)
    program("download", f"file://{tmp_path}/store/", tmp_path / "back", ok=True)
    assert tree(tmp_path / "back") == tree(folder)


def test_files_and_globs_go_by_their_own_names(program: Program, folder: Path, tmp_path: Path) -> None:
    program("upload", folder / "a.csv", f"{folder}/sub/*.csv", f"{folder}/x[1].txt", f"file://{tmp_path}/s", ok=True)
    assert set(tree(tmp_path / "s")) == {"a.csv", "d.csv", "x[1].txt"}


def test_uploads_report_what_cannot_be_read_and_do_the_rest(program: Program, folder: Path, tmp_path: Path) -> None:
    (folder / "dangling").symlink_to("nowhere")
    (folder / "linked.csv").symlink_to("a.csv")
    ended = program("upload", folder, f"file://{tmp_path}/store/", "--json")
    assert ended.status == 1
    assert (ended.document["failed"], ended.document["succeeded"]) == (1, 8)
    assert ended.document["failures"][0]["uri"].endswith("dangling")
    assert (tmp_path / "store" / "linked.csv").read_bytes() == b"a"


def test_a_source_that_is_not_there_stops_before_anything_is_sent(
    program: Program, folder: Path, tmp_path: Path
) -> None:
    ended = program("upload", folder / "a.csv", tmp_path / "none*", f"file://{tmp_path}/store/")
    assert ended.status == 1
    assert "none*" in ended.stderr
    assert not (tmp_path / "store").exists()


def test_files_larger_than_a_piece(program: Program, tmp_path: Path) -> None:
    (tmp_path / "up").mkdir()
    expected = {}
    for index in range(33):  # enough of them that each is moved in pieces of 32 MiB
        data = bytes(generate_data((33 << 20) + 17 if index == 0 else 10, seed=index))
        (tmp_path / "up" / str(index)).write_bytes(data)
        expected[str(index)] = data
    program("upload", "-j", "64", tmp_path / "up", f"file://{tmp_path}/store/", ok=True)
    assert tree(tmp_path / "store") == expected
    program("download", "-j", "64", f"file://{tmp_path}/store/", tmp_path / "down", ok=True)
    assert tree(tmp_path / "down") == expected


def test_download_of_one_object_and_of_a_pattern(program: Program, folder: Path, tmp_path: Path) -> None:
    program("download", f"file://{folder}/sub/d.csv", tmp_path / "one", ok=True)
    assert tree(tmp_path / "one") == {"d.csv": b"dddd"}
    program("download", "-p", r"\.csv$", f"file://{folder}", tmp_path / "some", ok=True)
    assert set(tree(tmp_path / "some")) == {"a.csv", "b.csv", "sub/d.csv", "sub/deeper/e e.csv"}
    program("download", "--flat", f"file://{folder}", tmp_path / "flat", ok=True)
    assert set(tree(tmp_path / "flat")) == {"a.csv", "b.csv", "c.bin", "grün.txt", "x[1].txt"}


def test_download_of_nothing_fails(program: Program, folder: Path, tmp_path: Path) -> None:
    ended = program("download", f"file://{folder}/nothing/", tmp_path / "out")
    assert ended.status == 1
    assert f"file://{folder}/nothing/" in ended.stderr


def test_downloads_do_not_follow_links_out_of_their_folder(program: Program, folder: Path, tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (inside / "sub").symlink_to(outside)
    ended = program("download", f"file://{folder}/", inside, "--json")
    assert ended.status == 1
    assert tree(outside) == {}
    assert {Path(failure["uri"]).name for failure in ended.document["failures"]} == {"d.csv", "e e.csv"}
    assert ended.document["succeeded"] == 5


@pytest.mark.parametrize("target", ["copy.csv", "into/", "deeper/copy.csv"])
def test_cp_of_one(program: Program, folder: Path, tmp_path: Path, target: str) -> None:
    name = target + "a.csv" if target.endswith("/") else target
    program("cp", f"file://{folder}/a.csv", f"file://{tmp_path}/{target}", ok=True)
    program("cp", f"file://{folder}/a.csv", f"{tmp_path}/down/{target}", ok=True)
    program("cp", folder / "a.csv", f"file://{tmp_path}/up/{target}", ok=True)
    for at in (tmp_path, tmp_path / "down", tmp_path / "up"):
        assert (at / name).read_bytes() == b"a"


def test_cp_into_a_local_folder_that_exists(program: Program, folder: Path, tmp_path: Path) -> None:
    program("cp", f"file://{folder}/a.csv", ".", cwd=tmp_path, ok=True)
    assert (tmp_path / "a.csv").read_bytes() == b"a"


@pytest.mark.parametrize("direction", ["across", "down", "up"])
def test_cp_of_everything_below(program: Program, folder: Path, tmp_path: Path, direction: str) -> None:
    source = str(folder) if direction == "up" else f"file://{folder}"
    target = f"{tmp_path}/out" if direction == "down" else f"file://{tmp_path}/out"
    assert program("cp", "-r", source, target, "--json", ok=True).document["succeeded"] == 7
    assert tree(tmp_path / "out") == tree(folder)


def test_cp_wrong_usage(program: Program, folder: Path, tmp_path: Path) -> None:
    assert program("cp", "a", "b").status == 2
    assert program("cp", "-p", "x", folder, f"file://{tmp_path}/out").status == 2
    ended = program("cp", folder, f"file://{tmp_path}/out/")
    assert ended.status == 1
    assert "-r" in ended.stderr


def test_direct_io(program: Program, folder: Path, tmp_path: Path) -> None:
    program("cp", "-r", f"file://{folder}", f"direct://{tmp_path}/out", ok=True)
    program("cp", "-r", f"direct://{tmp_path}/out", f"file://{tmp_path}/back", ok=True)
    assert tree(tmp_path / "back") == tree(folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read(program: Program, folder: Path, tmp_path: Path) -> None:
    (folder / "sub").chmod(0)
    ended = program("upload", folder, f"file://{tmp_path}/store/")
    (folder / "sub").chmod(0o755)
    assert ended.status == 1
    assert "sub" in ended.stderr
