"""The front page is complete, cheap to open, and typed."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import s3dlio_core

PACKAGE = Path(s3dlio_core.__file__).parent
MODULES = ["checksum", "errors", "moving.trees", "options", "stats", "store", "tuning", "uri", "values", "verbs"]


def test_all_is_sorted_and_complete() -> None:
    names = s3dlio_core.__all__
    assert names == sorted(names)
    assert all(hasattr(s3dlio_core, name) for name in names)
    public = {
        name
        for name, item in vars(s3dlio_core).items()
        if not name.startswith("_") and not inspect.ismodule(item) and name != "annotations"
    }
    assert public <= set(names)
    for exception in import_module("s3dlio_core.errors").__all__:
        assert exception in names


@pytest.mark.parametrize("name", MODULES)
def test_all_of_each_module(name: str) -> None:
    module = import_module(f"s3dlio_core.{name}")
    assert module.__all__ == sorted(module.__all__)
    assert module.__doc__
    for item in module.__all__:
        assert getattr(module, item).__doc__ or not callable(getattr(module, item)), item


def test_every_verb_is_documented_and_keyword_only() -> None:
    for name in s3dlio_core.__all__:
        item = getattr(s3dlio_core, name)
        if not inspect.isfunction(item):
            continue
        assert item.__doc__, name
        positional = [p for p in inspect.signature(item).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        assert len(positional) <= 2, name


def test_every_module_verb_has_a_twin() -> None:
    for name in ("get", "put", "get_range", "get_into", "get_many", "put_many", "list", "stat", "exists", "delete",
                 "copy", "upload", "download"):  # fmt: skip
        plain, twin = getattr(s3dlio_core, name), getattr(s3dlio_core, f"{name}_async")
        assert list(inspect.signature(plain).parameters) == list(inspect.signature(twin).parameters), name


def test_import_is_quick() -> None:
    """Processor time, the best of a few: other programs on the machine must not decide."""
    code = "import time; began = time.process_time(); import s3dlio_core; print(time.process_time() - began)"
    cached = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def took() -> float:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60, env=cached)
        return float(done.stdout)

    assert min(took() for _ in range(5)) < 0.15


def test_package_says_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists()
    assert (PACKAGE / "_ext.pyi").exists()
