"""S3Checkpoint: what torch.save() and torch.load() read and write through, in the shape of AWS's connector."""

from __future__ import annotations

import contextlib
import pickle
from pathlib import Path
from typing import Any

import pytest
import s3torchconnector
import torch
from servers.access import credentials_of
from servers.fault_server import FaultServer

import s3dlio_core
import s3dlio_torch
from s3dlio_torch import S3Checkpoint
from s3dlio_torch.client_config import S3ClientConfig


@pytest.fixture(params=["file", "seaweedfs", "moto"])
def place(request: pytest.FixtureRequest, tmp_path: Path, name: str) -> tuple[str, dict[str, Any]]:
    if request.param == "file":
        return f"file://{tmp_path}/a.pt", {}
    return f"s3://train/{name}/a.pt", credentials_of(request.getfixturevalue(request.param))


def test_torch_saves_and_loads_through_it(place: tuple[str, dict[str, Any]]) -> None:
    uri, options = place
    endpoint = options.pop("endpoint_url", None)
    checkpoint = S3Checkpoint(options.pop("region", None), endpoint, **options)
    state = {"weight": torch.randn(300, 400), "step": 7}
    with checkpoint.writer(uri) as writer:
        torch.save(state, writer)
        assert writer.key.endswith("a.pt")
    assert writer.result is not None
    assert writer.closed
    with checkpoint.reader(uri) as reader:
        loaded = torch.load(reader, weights_only=True)
    assert loaded["step"] == 7
    assert torch.equal(loaded["weight"], state["weight"])


def test_a_block_left_by_an_exception_publishes_nothing(place: tuple[str, dict[str, Any]]) -> None:
    uri, options = place
    checkpoint = S3Checkpoint(**options)
    with pytest.raises(RuntimeError, match="ours"), checkpoint.writer(uri) as writer:
        torch.save({"weight": torch.zeros(5)}, writer)
        raise RuntimeError("ours")
    with pytest.raises(FileNotFoundError):
        checkpoint.reader(uri)
    dropped = checkpoint.writer(uri)
    dropped.write(b"half")
    del dropped
    with pytest.raises(FileNotFoundError):
        checkpoint.reader(uri)


def test_a_write_that_fails_is_raised_as_it_was_and_publishes_nothing(fault_server: FaultServer) -> None:
    tuning = s3dlio_core.Tuning(max_attempts=1, part_size=5 << 20)
    checkpoint = S3Checkpoint(**credentials_of(fault_server), tuning=tuning)
    fault_server.fault("upload_part", status=403, code="AccessDenied", times=None)
    with pytest.raises(s3dlio_core.AccessDeniedError), checkpoint.writer("s3://data/a.pt") as writer:
        torch.save([torch.zeros(4 << 20) for _ in range(4)], writer)
    assert fault_server.stored("data", "a.pt") is None
    # Also where the caller goes on and closes.
    writer = checkpoint.writer("s3://data/a.pt")
    # Torch reports its own way out, or nothing if the parts were still on their way when it was done.
    with contextlib.suppress(s3dlio_core.AccessDeniedError, RuntimeError):
        torch.save([torch.zeros(4 << 20) for _ in range(4)], writer)
    with pytest.raises(s3dlio_core.AccessDeniedError):
        writer.close()
    writer.close()
    assert fault_server.stored("data", "a.pt") is None


def test_the_connectors_config_is_understood(fault_server: FaultServer) -> None:
    config = S3ClientConfig(part_size=6 << 20, max_attempts=3, force_path_style=True)
    options = credentials_of(fault_server)
    checkpoint = S3Checkpoint(options.pop("region"), options.pop("endpoint_url"), config, **options)
    with checkpoint.writer("s3://data/a.bin") as writer:
        writer.write(bytes(13 << 20))
    assert fault_server.count("upload_part") == 3
    with pytest.raises(TypeError, match="s3client_config is a dict"):
        S3Checkpoint(s3client_config={})
    with pytest.raises(TypeError, match="unknown option"):
        S3Checkpoint(regoin="x").reader("s3://data/a.bin")


def test_it_travels_to_another_process(tmp_path: Path) -> None:
    there = pickle.loads(pickle.dumps(S3Checkpoint(tuning=s3dlio_core.Tuning(part_size=1 << 20))))
    with there.writer(f"file://{tmp_path}/a.pt") as writer:
        torch.save({"a": torch.ones(2)}, writer)
    assert torch.equal(s3dlio_torch.load(f"file://{tmp_path}/a.pt")["a"], torch.ones(2))


def test_the_package_hands_out_load_and_save(tmp_path: Path) -> None:
    uri = f"file://{tmp_path}/a.pt"
    s3dlio_torch.save({"a": torch.ones(2)}, uri)
    assert torch.equal(s3dlio_torch.load(uri)["a"], torch.ones(2))


def test_options_of_the_service_do_not_keep_it_from_local_paths(tmp_path: Path) -> None:
    checkpoint = S3Checkpoint("eu-central-1", "https://nowhere.invalid", S3ClientConfig(profile="nobody"))
    for place in (tmp_path / "a.pt", f"file://{tmp_path}/b.pt", Path(f"file://{tmp_path}/c.pt")):
        with checkpoint.writer(place) as writer:
            torch.save({"step": 3}, writer)
        with checkpoint.reader(place) as reader:
            assert torch.load(reader)["step"] == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pt", "b.pt", "c.pt"]


def test_called_as_the_connectors(seaweedfs: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweedfs.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweedfs.secret_key)
    state = {"weight": torch.arange(12.0)}
    for number, writing in enumerate((S3Checkpoint, s3torchconnector.S3Checkpoint)):
        for reading in (S3Checkpoint, s3torchconnector.S3Checkpoint):
            config = s3torchconnector.S3ClientConfig(force_path_style=True)
            made = [
                kind(region=seaweedfs.region, endpoint=seaweedfs.endpoint_url, s3client_config=config)
                for kind in (writing, reading)
            ]
            assert (made[0].region, made[0].endpoint) == (seaweedfs.region, seaweedfs.endpoint_url)
            uri = f"s3://train/{name}/{number}.pt"
            with made[0].writer(s3_uri=uri) as writer:
                torch.save(state, writer)
            with made[1].reader(s3_uri=uri) as reader:
                assert torch.equal(torch.load(reader)["weight"], state["weight"])
                assert (reader.bucket, reader.key) == ("train", f"{name}/{number}.pt")
