"""The stub of the extension is the one stubgen makes of it now."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import s3dlio_core

ROOT = Path(__file__).parents[2]
GOLDEN = Path(s3dlio_core.__file__).parent / "_ext.pyi"


def test_stub_is_up_to_date(tmp_path: Path) -> None:
    pytest.importorskip("nanobind", reason="nanobind makes the stub")
    fresh = tmp_path / "_ext.pyi"
    patterns = ROOT / "csrc/python/stub_patterns.txt"
    options = ["-m", "nanobind.stubgen", "-q", "-p", str(patterns), "-m", "s3dlio_core._ext", "-o"]
    subprocess.run([sys.executable, *options, str(fresh)], check=True, timeout=60)
    again = " ".join([*options, str(GOLDEN)])
    assert fresh.read_text() == GOLDEN.read_text(), f"the extension has changed; run: python {again}"
