from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from core.cli.cli_program import Program, access
from core.records.record_bytes import tar_of, tfrecord_of
from servers.moto import MotoServer

from s3dlio_core import open_store
from s3dlio_core.records import load_index

PAYLOADS = [b"x" * n for n in range(10)]


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    (tmp_path / "shards").mkdir()
    for name, payloads in (("a.tfrecord", PAYLOADS[:4]), ("b.tfrecord", PAYLOADS[4:])):
        (tmp_path / "shards" / name).write_bytes(tfrecord_of(payloads))
    return tmp_path / "shards"


def test_the_index_lies_beside_the_objects(program: Program, shards: Path) -> None:
    ended = program("index", f"file://{shards}", ok=True)
    assert ended.lines[0].startswith("10 records in 2 objects (tfrecord, 205 B) in ")
    assert ended.lines[0].endswith(f": file://{shards}/.s3dlio-index")
    store = open_store(f"file://{shards}/")
    index = load_index(store)
    record = index[7]
    data = store.get_range(record.key, start=record.start, end=record.end)
    assert bytes(index.decode(7, data)) == PAYLOADS[7]
    assert program("index", f"file://{shards}", "--json", ok=True).document["records"] == 10  # it is no shard itself


def test_json_tells_what_was_found(program: Program, shards: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.index"
    document = program("index", f"file://{shards}/", "--json", "-o", output, "-j", "1", ok=True).document
    assert document.pop("seconds") >= 0
    assert document == {
        "operation": "index", "attempted": 2, "succeeded": 2, "failed": 0, "bytes": 205, "failures": [],
        "format": "tfrecord", "records": 10, "index": f"file://{output}",
    }  # fmt: skip
    assert len(load_index(open_store(f"file://{shards}/"), at=output)) == 10
    assert not (shards / ".s3dlio-index").exists()


def test_text_indexes_beside_the_objects(program: Program, shards: Path) -> None:
    program("index", f"file://{shards}", "--tfrecord-idx", ok=True)
    assert (shards / "a.tfrecord.idx").read_text() == "0 16\n16 17\n33 18\n51 19\n"
    assert program("index", f"file://{shards}", "--json", ok=True).document["records"] == 10


def test_a_damaged_object_is_reported_and_nothing_is_written(program: Program, shards: Path) -> None:
    (shards / "c.tfrecord").write_bytes(tfrecord_of(PAYLOADS)[:-1])
    (shards / "d.tfrecord").write_bytes(b"no record at all")
    ended = program("index", f"file://{shards}", "--json")
    assert ended.status == 1
    assert (ended.document["succeeded"], ended.document["failed"], ended.document["index"]) == (2, 2, None)
    assert "2 of 4 failed" in ended.stderr
    assert f"file://{shards}/c.tfrecord: record 9 at byte" in ended.stderr
    assert not (shards / ".s3dlio-index").exists()


def test_a_pattern_and_a_format_choose(program: Program, shards: Path) -> None:
    (shards / "notes.txt").write_text("no records")
    (shards / "part-0").write_bytes((shards / "a.tfrecord").read_bytes())
    ended = program("index", f"file://{shards}")
    assert ended.status == 2
    assert "notes.txt" in ended.stderr
    document = program("index", f"file://{shards}", "-p", "part-", "-f", "tfrecord", "--json", ok=True).document
    assert (document["attempted"], document["records"]) == (1, 4)


def test_a_dataset_in_hdf5_files(program: Program, tmp_path: Path) -> None:
    import h5py

    (tmp_path / "h5").mkdir()
    with h5py.File(tmp_path / "h5" / "a.h5", "w") as file:
        file["x/y"] = [[1, 2], [3, 4], [5, 6]]
    document = program("index", f"file://{tmp_path}/h5", "--path", "x/y", "--json", ok=True).document
    assert (document["format"], document["records"]) == ("hdf5", 3)
    ended = program("index", f"file://{tmp_path}/h5")
    assert ended.status == 1
    assert "name one with the option 'path'" in ended.stderr


def test_wrong_usage(program: Program, shards: Path, tmp_path: Path) -> None:
    assert program("index").status == 2
    assert program("index", f"file://{shards}", "--format", "parquet").status == 2
    assert program("index", f"file://{shards}", "--path", "x").status == 2
    (tmp_path / "empty").mkdir()
    ended = program("index", f"file://{tmp_path}/empty")
    assert ended.status == 1
    assert "nothing there" in ended.stderr
    (tmp_path / "empty" / "a.tar").write_bytes(tar_of([("a.x", b"")], tarfile.PAX_FORMAT))
    assert program("index", f"file://{tmp_path}/empty", "--tfrecord-idx").status == 2


def test_on_s3(program: Program, moto: MotoServer, name: str, store_on) -> None:
    store = store_on(moto, bucket="train", prefix=f"{name}/")
    for n in range(3):
        store.put(f"{n}.tar", tar_of([(f"{n}-{i}.bin", b"z" * i) for i in range(5)]))
    ended = program("index", f"s3://train/{name}/", ok=True, env=access(moto))
    assert ended.lines[0].startswith("15 records in 3 objects (webdataset")
    assert [record.name for record in load_index(store)][:6] == ["0-0", "0-1", "0-2", "0-3", "0-4", "1-0"]
