"""The public surface of AWS's connector, walked: what it has for data sets, ours takes and gives."""

from __future__ import annotations

import inspect
import io
from typing import Any

import pytest
from servers.access import credentials_of
from servers.fault_server import FaultServer

import s3dlio_core
import s3dlio_torch
from s3dlio_torch import S3ClientConfig, S3IterableDataset, S3MapDataset, S3Reader, S3ReaderConstructor

theirs = pytest.importorskip("s3torchconnector")

KINDS = ("S3IterableDataset", "S3MapDataset")
CLASSES = (*KINDS, "S3ReaderConstructor", "S3ClientConfig", "S3Checkpoint", "S3Reader", "S3Writer")
# Of the class itself: the connector's users are told to use from_prefix() and from_objects().
NOT_TAKEN = {("S3IterableDataset", "__init__"), ("S3MapDataset", "__init__")}


def public(kind: Any) -> list[str]:
    return sorted(name for name in vars(kind) if not name.startswith("_"))


def test_every_name_is_there() -> None:
    assert [name for name in theirs.__all__ if not hasattr(s3dlio_torch, name)] == []
    assert [name for name in theirs.__all__ if name not in s3dlio_torch.__all__] == []


@pytest.mark.parametrize("name", CLASSES)
def test_every_method_and_property_is_there(name: str) -> None:
    ours, other = getattr(s3dlio_torch, name), getattr(theirs, name)
    if name == "S3Writer":
        ours = s3dlio_torch.s3_checkpoint.GuardedWriter
        assert issubclass(ours, s3dlio_torch.S3Writer)
    missing = [member for member in public(other) if not hasattr(ours, member)]
    fields = getattr(ours, "__dataclass_fields__", {}) | getattr(ours, "__annotations__", {})
    assert [member for member in missing if member not in fields and member != "stream"] == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["from_prefix", "from_objects"])
def test_every_argument_is_taken_by_its_name(fault_server: FaultServer, kind: str, method: str) -> None:
    fault_server.put_object("data", "train/a", b"bytes")
    found = credentials_of(fault_server)
    values: dict[str, Any] = {
        "s3_uri": "s3://data/train/",
        "object_uris": ["s3://data/train/a"],
        "region": found.pop("region"),
        "endpoint": found.pop("endpoint_url"),
        "transform": lambda reader: reader.read(),
        "s3client_config": theirs.S3ClientConfig(part_size=5 << 20),
        "enable_sharding": True,
        "reader_constructor": S3ReaderConstructor.range_based(),
    }
    names = list(inspect.signature(getattr(getattr(theirs, kind), method)).parameters)
    dataset = getattr(getattr(s3dlio_torch, kind), method)(**{name: values[name] for name in names}, **found)
    assert (dataset[0] if kind == "S3MapDataset" else next(iter(dataset))) == b"bytes"
    assert dataset.region == values["region"]
    assert dataset.endpoint == values["endpoint"]


def test_every_reader_constructor_is_made_as_there() -> None:
    for name in public(theirs.S3ReaderConstructor):
        other, own = (
            inspect.signature(getattr(kind, name)) for kind in (theirs.S3ReaderConstructor, S3ReaderConstructor)
        )
        assert list(own.parameters) == list(other.parameters), name
        assert [p.default for p in own.parameters.values()] == [p.default for p in other.parameters.values()], name
    for ours in (S3ReaderConstructor, theirs.S3ReaderConstructor):
        for kind, made in (
            ("sequential", ours.sequential()),
            ("sequential", ours.default()),
            ("sequential", None),
            ("range_based", ours.range_based()),
            ("range_based", ours.range_based(buffer_size=0)),
            ("dcp_optimized", ours.dcp_optimized()),
            ("dcp_optimized", ours.dcp_optimized(max_gap_size=float("inf"))),
            ("unknown", 5),
        ):
            assert S3ReaderConstructor.get_reader_type_string(made) == kind
    with pytest.raises(ValueError, match="max_gap_size is -1"):
        S3ReaderConstructor.dcp_optimized(-1)


@pytest.mark.parametrize("ours", [S3ReaderConstructor, theirs.S3ReaderConstructor])
def test_their_constructors_work_and_one_for_checkpoints_is_refused(fault_server: FaultServer, ours: Any) -> None:
    fault_server.put_object("data", "train/a", bytes(100_000))
    found = credentials_of(fault_server)
    dataset = S3MapDataset.from_prefix("s3://data/train/", reader_constructor=ours.range_based(0), **found)
    fault_server.forget()
    assert dataset[0].read(10) == bytes(10)
    assert fault_server.seen("get")[0].headers["range"] == "bytes=0-9"
    with pytest.raises(ValueError, match=r"dcp_optimized\(\), which is for checkpoints"):
        S3IterableDataset.from_prefix("s3://data/train/", reader_constructor=ours.dcp_optimized(), **found)


def test_readers_writers_and_errors_are_of_their_names(fault_server: FaultServer) -> None:
    fault_server.put_object("data", "train/a", b"bytes")
    found = credentials_of(fault_server)
    for constructor in (None, S3ReaderConstructor.range_based()):
        reader = S3MapDataset.from_prefix("s3://data/train/", reader_constructor=constructor, **found)[0]
        assert isinstance(reader, S3Reader)
        assert isinstance(reader, io.BufferedIOBase)
        assert (reader.bucket, reader.key) == ("data", "train/a")
    checkpoint = s3dlio_torch.S3Checkpoint(**found)
    with checkpoint.writer("s3://data/train/b") as writer:
        assert isinstance(writer, s3dlio_torch.S3Writer)
        writer.write(b"more")
    assert isinstance(checkpoint.reader("s3://data/train/b"), S3Reader)
    with pytest.raises(s3dlio_torch.S3Exception):
        checkpoint.reader("s3://data/nothing")
    assert s3dlio_torch.S3Exception is s3dlio_core.StorageError


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"endpoint": "http://one", "endpoint_url": "http://two"}, "endpoint_url is given twice"),
        ({"s3client_config": S3ClientConfig(profile="a"), "profile": "b"}, "profile is given twice"),
        (
            {"s3client_config": S3ClientConfig(force_path_style=True), "addressing": "virtual"},
            "addressing is given twice",
        ),
        (
            {"s3client_config": S3ClientConfig(part_size=6 << 20), "tuning": s3dlio_core.Tuning(part_size=5 << 20)},
            "tuning says part_size 5242880 and s3client_config 6291456",
        ),
        (
            {
                "s3client_config": S3ClientConfig(throughput_target_gbps=100.0),
                "tuning": s3dlio_core.Tuning(max_connections=10, initial_connections=5),
            },
            "tuning says max_connections 10 and s3client_config 640",
        ),
        ({"uri": "s3://data/a"}, "expected one of them, a prefix"),
    ],
)
@pytest.mark.parametrize("kind", [S3IterableDataset, S3MapDataset])
def test_client_options_that_contradict_each_other_are_refused(kind: Any, arguments: dict[str, Any], text: str) -> None:
    with pytest.raises((ValueError, TypeError), match=text):
        kind.from_prefix(s3_uri="s3://data/train/", region="eu-central-1", **arguments)


def test_a_tuning_beside_a_default_config_holds(fault_server: FaultServer) -> None:
    fault_server.put_object("data", "train/a", b"bytes")
    tuning = s3dlio_core.Tuning(part_size=5 << 20, max_attempts=3)
    dataset = S3MapDataset.from_prefix(
        "s3://data/train/", s3client_config=S3ClientConfig(), tuning=tuning, **credentials_of(fault_server)
    )
    kept = dataset._source.manifest.store.tuning
    assert (kept.part_size, kept.max_attempts) == (5 << 20, 3)


def test_nobody_pays_unsigned() -> None:
    with pytest.raises(ValueError, match="unsigned and requester_pays exclude each other"):
        S3ClientConfig(unsigned=True, requester_pays=True)
