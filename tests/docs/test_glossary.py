"""The types that docs/glossary.md names as carriers of its words exist, and no word stands there twice."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "glossary.md"


def rows() -> list[tuple[str, str]]:
    """Word and carriers of each line."""
    found = re.findall(r"^\| (.+?) \| .+ \| (.+?) \|$", PAGE.read_text(), flags=re.MULTILINE)
    return [row for row in found if row[0] not in ("word", "---")]


def defined() -> set[str]:
    """Names of all types of the engine, the doors and the packages."""
    names: set[str] = set()
    for folder, suffixes in (("csrc", (".h", ".cpp")), ("s3dlio_core", (".py",)), ("s3dlio_torch", (".py",))):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in suffixes:
                names |= set(re.findall(r"^\s*(?:class|struct) (\w+)", path.read_text(), flags=re.MULTILINE))
    return names


def test_the_types_it_names_exist() -> None:
    named = {name for _, carriers in rows() for name in re.findall(r"`(\w+)`", carriers)}
    assert len(named) > 40
    assert sorted(named - defined()) == []


def test_no_word_stands_there_twice() -> None:
    words = [word for entry, _ in rows() for word in entry.split(", ")]
    assert len(words) > 60
    assert sorted({word for word in words if words.count(word) > 1}) == []
