"""litdata over our verbs, real: several processes write the same files of one cache at the same moment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from servers.moto import MotoServer

TESTS = Path(__file__).parents[1]
# Beside the other packages (scripts/venv.sh): it asks for a torchvision that would bring another torch.
LITDATA = Path(sys.prefix) / "litdata"
COUNT = 200


def test_loaders_that_share_a_cache_read_every_sample_once(moto: MotoServer, tmp_path: Path, name: str) -> None:
    """Forked workers with threads use a store that was open before the fork, and nobody locks the files they make."""
    if not (LITDATA / "litdata").is_dir():
        pytest.skip(f"no litdata in {LITDATA}: `make test` puts it there")
    environment = os.environ | {
        "PYTHONPATH": f"{LITDATA}:{TESTS}",
        "AWS_ENDPOINT_URL": moto.endpoint_url,
        "AWS_ACCESS_KEY_ID": moto.access_key,
        "AWS_SECRET_ACCESS_KEY": moto.secret_key,
        "AWS_DEFAULT_REGION": moto.region,
    }
    command = [sys.executable, "-m", "through_litdata", str(tmp_path), f"s3://train/{name}/", str(COUNT)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    first, second, downloads = (json.loads(line) for line in done.stdout.splitlines()[-3:])
    assert Counter(first) == Counter(second) == Counter(range(COUNT))
    assert first != second
    by_file = Counter(file for _, file in downloads)
    assert by_file["index.json"] > 1
    assert len(by_file) > COUNT // 10, "not all came from the bucket"
    left = [
        path.name for path in (tmp_path / "cache").iterdir() if path.suffix not in (".bin", ".json", ".cnt", ".lock")
    ]
    assert not left, "something besides whole files is left in the cache"
