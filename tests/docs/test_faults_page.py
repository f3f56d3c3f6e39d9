"""tests/mutations.toml still fits the code: every fault has its entries, every text is there, every test exists."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mutations", ROOT / "scripts" / "mutations.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutations"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_every_fault_has_its_entries(tool: ModuleType) -> None:
    rows, mutations = tool.load()
    reading = "G1 G2 G4 G5 G6 G7 G8 G10 G11 G12 G13 G14 G15 G16 G17 G19 G21 G22 G23 G24 G25 G26 G27 G29 G30 G31 L1"
    writing = "U1 U2 U3 U4 U5 U6 U7 U8 U9 U11 U12 U13"
    files = "F1 F2 F3 F4 F5 F6"
    ids = [row.id for row in rows]
    assert set(f"{reading} {writing} {files}".split()) <= set(ids)
    assert len(ids) == len(set(ids))
    assert set(ids) == {mutation.row for mutation in mutations}


def test_texts_are_in_their_files_once(tool: ModuleType) -> None:
    _, mutations = tool.load()
    for mutation in mutations:
        for edit in mutation.edits:
            assert (ROOT / edit.file).read_text().count(edit.text) == 1, f"{mutation.row}, {edit.file}: {edit.text}"
            assert edit.text != edit.instead


def test_tests_exist(tool: ModuleType) -> None:
    _, mutations = tool.load()
    for mutation in mutations:
        if mutation.program:
            files = (ROOT / "tests" / "csrc" / mutation.program).glob("*_test.cpp")
            names = [name for file in files for name in re.findall(r'TEST_CASE\("((?:[^"\\]|\\.)*)"', file.read_text())]
            assert mutation.case in names
        else:
            path, name = mutation.case.split("::")
            assert f"def {name}(" in (ROOT / path).read_text()


def test_page_is_written_from_the_list(tool: ModuleType) -> None:
    assert tool.PAGE.read_text() == tool.page(*tool.load()), "make mutations MUTATIONS=--page"
