"""The bench server as a fixture; built on first use, because `make test` builds the Python door only."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the benchmarks are not installed

from benchmarks.build import build_programs
from benchmarks.servers import Server, bench_server


@pytest.fixture(scope="session")
def programs() -> None:
    build_programs()


@pytest.fixture(scope="session")
def server(programs: None) -> Iterator[Server]:
    with bench_server(buckets=["bucket"], seeds=["listing/keys/,2500,64"], verify=True) as running:
        yield running
