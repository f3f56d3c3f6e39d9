"""Checkpoints that AWS's connector wrote load through ours, through its own names as well."""

from __future__ import annotations

from typing import Any

import pytest
from load_parts import assert_equal, blank, every_kind, load, save
from s3torchconnector import S3ClientConfig
from s3torchconnector.dcp import BinaryPrefixStrategy, S3StorageWriter
from servers.access import credentials_of
from servers.seaweedfs import LocalS3

from s3dlio_torch.dcp import S3StorageReader, StorageReader


@pytest.fixture
def their_environment(seaweedfs: LocalS3, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their reader and writer take endpoint and keys from nowhere else."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweedfs.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweedfs.secret_key)
    monkeypatch.setenv("AWS_ENDPOINT_URL", seaweedfs.endpoint_url)


@pytest.mark.parametrize(
    "options", [{}, {"thread_count": 2, "prefix_strategy": BinaryPrefixStrategy()}], ids=["plain", "prefixes"]
)
def test_what_s3torchconnector_wrote_loads_equal(
    seaweedfs: LocalS3, name: str, their_environment: None, options: dict[str, Any]
) -> None:
    state = every_kind()
    config = S3ClientConfig(force_path_style=True)
    uri = f"s3://train/{name}"
    save(state, S3StorageWriter(seaweedfs.region, uri, s3client_config=config, **options))
    assert_equal(load(blank(state), S3StorageReader(seaweedfs.region, uri, s3client_config=config)), state)
    place = credentials_of(seaweedfs)
    reader = StorageReader(uri, endpoint_url=place.pop("endpoint_url"), options=place, verify="whole")
    assert_equal(load(blank(state), reader), state)
