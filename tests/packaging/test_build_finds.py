"""What the build looks for: the torch of the environment that is installed into, and OpenSSL."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
FIND_TORCH = ROOT / "csrc" / "torch" / "find_torch.py"


def found(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, FIND_TORCH], capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    return done.stdout


@pytest.fixture
def apart(tmp_path: Path) -> dict[str, str]:
    """As pip builds: by the environment's interpreter, which does not see what is installed there."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, sysconfig\n"
        "hidden = {sysconfig.get_path('purelib'), sysconfig.get_path('platlib')}\n"
        "sys.path = [folder for folder in sys.path if folder not in hidden]\n"
    )
    code = "import importlib.util; print(importlib.util.find_spec('torch'))"
    environment = {"PYTHONPATH": str(tmp_path)}
    seen = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert seen.stdout == "None\n"
    return environment


def test_the_torch_that_is_imported() -> None:
    assert found() == str(Path(torch.__file__).parent)


def test_the_torch_of_the_environment_that_pip_builds_apart_from(apart: dict[str, str]) -> None:
    assert found(**apart) == str(Path(torch.__file__).parent)


def test_the_torch_that_is_named_goes_first(tmp_path: Path) -> None:
    header = tmp_path / "mine" / "include" / "torch" / "csrc" / "stable" / "library.h"
    header.parent.mkdir(parents=True)
    header.touch()
    assert found(S3DLIO_TORCH=str(tmp_path / "mine")) == str(tmp_path / "mine")
    assert found(S3DLIO_TORCH=str(tmp_path / "none")) == str(Path(torch.__file__).parent)


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a compiler")
def test_a_missing_openssl_is_named_with_its_package(tmp_path: Path) -> None:
    cmake = Path(sys.executable).with_name("cmake")
    program = str(cmake) if cmake.exists() else shutil.which("cmake")
    if program is None:
        pytest.skip("needs cmake")
    done = subprocess.run(
        [program, "-S", ROOT, "-B", tmp_path / "build", "-DCMAKE_FIND_USE_CMAKE_SYSTEM_PATH=OFF"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode != 0
    assert "libssl-dev" in done.stderr
