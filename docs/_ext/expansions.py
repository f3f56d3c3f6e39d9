"""Parts of pages that are written at build time: a line `<!-- expand: NAME -->` becomes the text of that name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import command_pages

from s3dlio_core import errors

ROOT = Path(__file__).parents[2]

# Files at the repository's root or beside docs/ that have a page, as links from the README name them.
PAGES = {"examples": "/examples.md", "CHANGELOG.md": "/changelog.md"}


def readme() -> str:
    """The README with its links as they are from the site."""

    def link(match: re.Match[str]) -> str:
        target = match[1]
        if target.startswith("docs/"):
            return f"](/{target.removeprefix('docs/')})"
        return f"]({PAGES.get(target, target)})"

    return re.sub(r"\]\(([^)]+)\)", link, (ROOT / "README.md").read_text())


def changelog() -> str:
    """The changes, as the repository's file has them."""
    return (ROOT / "CHANGELOG.md").read_text()


def examples() -> str:
    """Every example that is started by itself, with its source."""
    parts = []
    for path in sorted((ROOT / "examples").glob("*.py")):
        source = path.read_text()
        if "__main__" not in source:
            continue  # a module that examples share
        parts.append(f"## {path.name}\n\n```{{literalinclude}} ../examples/{path.name}\n:language: python\n```\n")
    return "\n".join(parts)


def c_header() -> str:
    """The C interface's header, where this checkout has one."""
    header = ROOT / "csrc" / "c" / "s3dlio.h"
    if not header.exists():
        return "This version has no C interface yet."
    return f"```{{literalinclude}} ../../{header.relative_to(ROOT)}\n:language: c\n```"


def error_tree() -> str:
    """The tree of errors as the module that defines them draws it."""
    tree = (errors.__doc__ or "").partition("\n\n")[2].strip()
    return f"```text\n{tree}\n```"


EXPANSIONS = {
    "readme": readme,
    "changelog": changelog,
    "examples": examples,
    "commands": command_pages.commands,
    "error-tree": error_tree,
    "c-header": c_header,
}


def expand(app: Any, page: str, source: list[str]) -> None:
    """Sphinx's event for each page read."""
    source[0] = re.sub(r"^<!-- expand: (\S+) -->$", lambda match: EXPANSIONS[match[1]](), source[0], flags=re.MULTILINE)


def setup(app: Any) -> dict[str, bool]:
    app.connect("source-read", expand)
    return {"parallel_read_safe": True}
