"""scripts/docs_check.py notices a public name without an entry, and a link that leads nowhere."""

from __future__ import annotations

import importlib.util
import zlib
from pathlib import Path
from types import ModuleType

import pytest

import s3dlio_core
import s3dlio_core.errors
import s3dlio_core.records

SCRIPT = Path(__file__).parents[2] / "scripts" / "docs_check.py"


@pytest.fixture(scope="module")
def check() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_check", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_packages_and_modules_that_the_pages_name_are_public(check: ModuleType) -> None:
    found = check.public_modules()
    assert {"s3dlio_core", "s3dlio_core.loader", "s3dlio_core.records", "s3dlio_torch", "s3dlio_torch.dcp"} <= set(
        found
    )
    assert {"s3dlio_core.checksum", "s3dlio_core.records.tfrecord_idx", "s3dlio_torch.ops"} <= set(found)  # no packages
    assert "s3dlio_core.cli" not in found


def test_a_name_without_an_entry_is_missing(check: ModuleType) -> None:
    names = {f"s3dlio_core.records.{name}" for name in s3dlio_core.records.__all__}
    assert check.missing_names(names, [s3dlio_core.records]) == []
    assert check.missing_names(names - {"s3dlio_core.records.RawTensor"}, [s3dlio_core.records]) == [
        "s3dlio_core.records.RawTensor"
    ]


def test_a_name_that_the_package_above_hands_on_needs_one_entry(check: ModuleType) -> None:
    above = {f"s3dlio_core.{name}" for name in s3dlio_core.__all__}
    assert check.missing_names(above, [s3dlio_core.errors]) == []
    assert check.missing_names(above - {"s3dlio_core.TlsError"}, [s3dlio_core.errors]) == [
        "s3dlio_core.errors.TlsError"
    ]


def test_an_equal_name_for_another_thing_does_not_count(check: ModuleType) -> None:
    """s3dlio_core.Progress is how far a copy is, s3dlio_core.loader.Progress how far an epoch is."""
    loader = importlib.import_module("s3dlio_core.loader")
    names = {f"s3dlio_core.loader.{name}" for name in loader.__all__} - {"s3dlio_core.loader.Progress"}
    assert check.missing_names(names | {"s3dlio_core.Progress"}, [loader]) == ["s3dlio_core.loader.Progress"]


def test_the_inventory_is_read(check: ModuleType, tmp_path: Path) -> None:
    lines = "a.Thing py:class 1 page.html#$ -\na.call py:function 1 page.html#$ -\nindex std:doc -1 index.html Start\n"
    head = b"# Sphinx inventory version 2\n# Project: a\n# Version: 1\n# packed\n"
    (tmp_path / "objects.inv").write_bytes(head + zlib.compress(lines.encode()))
    assert check.documented_names(tmp_path / "objects.inv") == {"a.Thing", "a.call"}


def test_links_that_lead_nowhere(check: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "other.html").write_text('<h2 id="there">There</h2>')
    (tmp_path / "plot.svg").write_text("<svg/>")
    good = '<a href="other.html#there">1</a><a href="#here" id="here">2</a><img src="plot.svg"><a href="https://a.b/c">3</a>'
    bad = '<a href="none.html">4</a><a href="other.html#gone">5</a><a href="#gone">6</a><img src="gone.svg">'
    (tmp_path / "index.html").write_text(good)
    assert check.broken_links(tmp_path) == []
    (tmp_path / "index.html").write_text(good + bad)
    broken = [text.removeprefix("index.html: ") for text in check.broken_links(tmp_path)]
    assert broken == ["none.html", "other.html#gone", "#gone", "gone.svg"]
