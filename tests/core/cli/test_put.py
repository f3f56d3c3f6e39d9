from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from core.cli.cli_program import Program

from s3dlio_core.datagen import generate_data


def test_names_follow_the_template(program: Program, tmp_path: Path) -> None:
    program("put", f"file://{tmp_path}/out/", "-n", "3", "-s", "1k", ok=True)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["obj-0-of-3", "obj-1-of-3", "obj-2-of-3"]
    program("put", f"file://{tmp_path}/out2", "-n", "2", "-s", "1", "-t", "sub/{}.bin", ok=True)
    assert sorted(p.name for p in (tmp_path / "out2" / "sub").iterdir()) == ["0.bin", "1.bin"]
    program("put", f"file://{tmp_path}/out3/a-{{}}.bin", "-n", "2", "-s", "0", ok=True)
    assert sorted(p.name for p in (tmp_path / "out3").iterdir()) == ["a-0.bin", "a-1.bin"]


def test_contents_are_those_of_the_generator(program: Program, tmp_path: Path) -> None:
    arguments = ["-n", "3", "-s", "10000", "--seed", "7", "-d", "2", "-x", "3"]
    program("put", f"file://{tmp_path}/out/", *arguments, "-t", "{}", ok=True)
    for index in range(3):
        expected = generate_data(10_000, seed=7, index=index, dedup=2, compress=3)
        assert (tmp_path / "out" / str(index)).read_bytes() == bytes(expected)


def test_a_drawn_seed_is_told_and_repeats(program: Program, tmp_path: Path) -> None:
    document = program("put", f"file://{tmp_path}/a/", "-s", "5000", "-t", "x", "--json", ok=True).document
    assert document["operation"] == "put"
    assert (document["attempted"], document["succeeded"], document["failed"]) == (1, 1, 0)
    assert (document["bytes"], document["failures"]) == (5000, [])
    program("put", f"file://{tmp_path}/b/", "-s", "5000", "-t", "x", "--seed", str(document["seed"]), ok=True)
    assert (tmp_path / "a" / "x").read_bytes() == (tmp_path / "b" / "x").read_bytes()


def test_objects_larger_than_a_piece_are_streamed(program: Program, tmp_path: Path) -> None:
    # 64 jobs leave 32 MiB for each object.
    program("put", f"file://{tmp_path}/out/", "-n", "64", "-s", "0", "-t", "e{}", ok=True)
    program("put", f"file://{tmp_path}/out/", "-n", "40", "-s", "100", "-j", "64", "-t", "s{}", ok=True)
    big = (32 << 20) + 12_345
    program(
        "put", f"file://{tmp_path}/out/", "-n", "33", "-s", str(big), "-j", "33", "-t", "b{}", "--seed", "1", ok=True
    )
    expected = generate_data(big, seed=1, index=32)
    assert (tmp_path / "out" / "b32").read_bytes() == expected


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["-n", "2", "-t", "fixed"], "one name"),
        (["-s", "4XB"], "no size"),
        (["-x", "0.5"], "--compress"),
        (["-d", "nan"], "--dedup"),
        (["-n", "-1"], "--num"),
        (["-j", "0"], "--jobs"),
        (["--seed", "-1"], "--seed"),
    ],
)
def test_wrong_usage_ends_with_2(program: Program, tmp_path: Path, arguments: list[str], reason: str) -> None:
    ended = program("put", f"file://{tmp_path}/out/", *arguments)
    assert ended.status == 2
    assert reason in ended.stderr
    assert not (tmp_path / "out").exists()


def test_two_templates_are_refused(program: Program, tmp_path: Path) -> None:
    ended = program("put", f"file://{tmp_path}/a-{{}}", "-t", "b-{}")
    assert ended.status != 0
    assert "template" in ended.stderr


def test_what_fails_is_listed_and_the_rest_is_done(program: Program, tmp_path: Path) -> None:
    (tmp_path / "out" / "x-1").mkdir(parents=True)  # a folder stands where an object should go
    ended = program("put", f"file://{tmp_path}/out/x-{{}}", "-n", "3", "-s", "10", "--json")
    assert ended.status == 1
    assert (ended.document["succeeded"], ended.document["failed"]) == (2, 1)
    (failure,) = ended.document["failures"]
    assert failure["uri"] == f"file://{tmp_path}/out/x-1"
    assert failure["error"] == "IsADirectoryStorageError"
    assert "1 of 3 failed" in ended.stderr
    assert "x-1" in ended.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"x-0", "x-1", "x-2"}


@pytest.mark.parametrize(("word", "more"), [("RAW", 0), ("zeros", 0), ("tfrecord", 16)])
def test_forms(program: Program, tmp_path: Path, word: str, more: int) -> None:
    program("put", f"file://{tmp_path}/", "-o", word, "-s", "1k", "-t", "x", "--seed", "1", ok=True)
    data = (tmp_path / "x").read_bytes()
    assert len(data) == 1024 + more
    assert (data == bytes(1024)) == (word == "zeros")


def test_npz(program: Program, tmp_path: Path) -> None:
    program("put", f"file://{tmp_path}/", "-o", "NPZ", "-s", "1k", "-t", "x.npz", "--seed", "1", ok=True)
    with np.load(tmp_path / "x.npz") as archive:
        assert archive["data"].tobytes() == bytes(generate_data(1024, seed=1))
    assert program("put", f"file://{tmp_path}/", "-o", "HDF6").status == 2
