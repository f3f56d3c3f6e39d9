"""The README's Python runs as it stands, and prints what its comments say."""

import contextlib
import io
import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
def test_the_first_example_prints_what_it_says(tmp_path: Path) -> None:
    code = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)[0]
    expected = [line.removeprefix("# ") for line in code.splitlines() if line.startswith("# ")]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code.replace("/tmp/quick/", f"{tmp_path}/"), str(README), "exec"), {})
    assert printed.getvalue().splitlines() == expected


def test_every_page_it_names_exists() -> None:
    named = re.findall(r"\]\(([^)#:]+)\)", README.read_text())
    assert named
    assert [name for name in named if not (README.parent / name).exists()] == []
