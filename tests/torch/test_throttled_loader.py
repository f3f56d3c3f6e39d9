"""Workers in processes of their own share a service's limit on requests a second."""

from __future__ import annotations

import pytest
from servers.fault_server import FaultServer
from servers.limiter import Limiter
from torch.utils.data import DataLoader

from s3dlio_torch import S3IterableDataset

COUNT = 300


def test_g36_a_throttled_loader_yields_every_sample(fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(COUNT):
        fault_server.put_object("data", f"train/{index:03d}", index.to_bytes(2, "big") * 50)
    limiter = Limiter(fault_server, "get", per_second=200)
    monkeypatch.setenv("AWS_ENDPOINT_URL", fault_server.endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", fault_server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", fault_server.secret_key)
    monkeypatch.setenv("AWS_REGION", fault_server.region)
    loader = DataLoader(S3IterableDataset("s3://data/train/"), batch_size=None, num_workers=2)
    seen = [int.from_bytes(bytes(sample[:2].numpy()), "big") for sample in loader]
    assert sorted(seen) == list(range(COUNT))
    assert limiter.refused > 0
