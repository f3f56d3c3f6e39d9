"""The stub of the extension is the one stubgen makes of it now."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import s3dlio_core

GOLDEN = Path(s3dlio_core.__file__).parent / "_ext.pyi"


def test_stub_is_up_to_date(tmp_path: Path) -> None:
    pytest.importorskip("nanobind", reason="nanobind makes the stub")
    fresh = tmp_path / "_ext.pyi"
    command = [sys.executable, "-m", "nanobind.stubgen", "-q", "-m", "s3dlio_core._ext", "-o", str(fresh)]
    subprocess.run(command, check=True, timeout=60)
    again = f"{' '.join(command[1:-1])} {GOLDEN}"
    assert fresh.read_text() == GOLDEN.read_text(), f"the extension has changed; run: python {again}"
