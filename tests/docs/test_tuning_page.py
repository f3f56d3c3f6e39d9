"""docs/tuning.md names every field of Tuning with its true default."""

import re
from dataclasses import fields
from pathlib import Path

import s3dlio_core

PAGE = Path(__file__).parents[2] / "docs" / "tuning.md"


def test_every_field_is_listed_with_its_default() -> None:
    section = PAGE.read_text().split("## Fields")[1].split("\n## ")[0]
    listed = dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", section, flags=re.MULTILINE))
    assert listed == {field.name: str(field.default) for field in fields(s3dlio_core.Tuning)}


def test_every_counter_it_names_exists() -> None:
    section = PAGE.read_text().split("## Reading the counters")[1].split("\n## ")[0]
    named = {
        name
        for cell in re.findall(r"^\| (`.*?) \|", section, flags=re.MULTILINE)
        for name in re.findall(r"`(\w+)`", cell)
    }
    assert named
    assert named <= set(s3dlio_core.stats())
