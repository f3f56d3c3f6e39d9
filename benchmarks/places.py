"""Where the benchmarks keep what they build: everything below `build/`, nothing elsewhere."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
PROGRAMS_BUILD = BUILD / "bench"
VENVS = BUILD / "bench-venvs"
DATA = BUILD / "bench-data"
RESULTS = BUILD / "bench-results"
CLIENTS = ROOT / "benchmarks" / "clients"
PAGE = ROOT / "docs" / "performance.md"
PLOTS = ROOT / "docs" / "plots"


def program(name: str) -> Path:
    """One of bench_server, bare_recv, bare_send. S3DLIO_BENCH_PROGRAMS names a folder that already holds them."""
    return Path(os.environ.get("S3DLIO_BENCH_PROGRAMS", PROGRAMS_BUILD / "bin")) / name
