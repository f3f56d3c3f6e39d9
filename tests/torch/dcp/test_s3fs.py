"""torch's own checkpoint classes over s3fs, and ours: each loads what the other saved."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from checkpoints.states import all_kinds
from checkpoints.through_s3fs import what_stock_saves
from load_parts import assert_equal, blank, load, save
from servers.access import Server, credentials_of

from s3dlio_torch.dcp import StorageReader, StorageWriter

TESTS = Path(__file__).parents[2]
# Beside the other packages (scripts/venv.sh): it needs an older botocore than boto3 and moto.
S3FS = Path(sys.prefix) / "s3fs"


@pytest.fixture(params=["seaweedfs", "moto"])
def server(request: pytest.FixtureRequest) -> Server:
    if not (S3FS / "s3fs").is_dir():
        pytest.skip(f"no s3fs in {S3FS}: `make test` puts it there")
    found: Server = request.getfixturevalue(request.param)
    return found


def by_stock(verb: str, uri: str, server: Server) -> None:
    environment = os.environ | {
        "PYTHONPATH": f"{S3FS}:{TESTS}",
        "AWS_ENDPOINT_URL": server.endpoint_url,
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
        "AWS_DEFAULT_REGION": server.region,
    }
    command = [sys.executable, "-m", "checkpoints.through_s3fs", verb, uri]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("with s3fs"), done.stdout


def test_ours_loads_what_stock_saved(server: Server, name: str) -> None:
    uri = f"s3://train/{name}"
    by_stock("save", uri, server)
    for verify in (True, "whole"):
        state = blank(what_stock_saves())
        reader = StorageReader(uri, options=credentials_of(server), verify=verify)
        assert_equal(load(state, reader), what_stock_saves())


def test_stock_loads_what_ours_saved(server: Server, name: str) -> None:
    uri = f"s3://train/{name}"
    save(all_kinds(), StorageWriter(uri, options=credentials_of(server)))
    by_stock("load", uri, server)
