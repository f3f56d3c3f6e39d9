"""A job of several ranks lists once; what goes wrong then reaches every rank."""

from __future__ import annotations

from pathlib import Path

from dataset_ranks import lists_once
from rank_processes import run_ranks
from servers.access import credentials_of
from servers.fault_server import FaultServer


def test_rank_0_lists_for_all_and_what_it_meets_reaches_all(fault_server: FaultServer, tmp_path: Path) -> None:
    for folder in ("auto", "rank0", "each"):
        for index in range(5):
            fault_server.put_object("data", f"{folder}/{index}", f"{index}".encode())
    (found,) = run_ranks(tmp_path, (2, lists_once, credentials_of(fault_server)))
    missing = [5, 5, "BucketNotFoundError", "s3://nowhere/"]
    assert found == [["0", "2", "4", *missing], ["1", "3", *missing]]
    prefixes = [request.query.get("prefix", "") for request in fault_server.seen("list")]
    assert sorted(prefixes) == ["", "auto/", "each/", "each/", "rank0/"]
