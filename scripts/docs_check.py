"""Checks a built site: every public name has an entry, every link between its pages leads somewhere.

    python scripts/docs_check.py build/docs-site

Public are the names in `__all__` of the public modules: s3dlio_core and s3dlio_torch, the packages in them that
have an `__all__`, and every module that the README, the changes, the guides or the examples import from or name.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
import sys
import zlib
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[1]
PACKAGES = ("s3dlio_core", "s3dlio_torch")
PROGRAM = "s3dlio_core.cli"  # reference/commands.md is written from it; its functions are not called by others


# ---- names ----


def public_modules() -> list[str]:
    """Names of the modules whose `__all__` is public."""
    found = set(PACKAGES)
    for package in PACKAGES:
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
            hidden = module.name.rpartition(".")[2].startswith("_")
            if module.ispkg and not hidden and hasattr(importlib.import_module(module.name), "__all__"):
                found.add(module.name)
    found |= set(_named(_texts()))
    return sorted(found - {PROGRAM})


def _texts() -> Iterator[str]:
    for name in ("README.md", "CHANGELOG.md"):
        yield (ROOT / name).read_text()
    for page in sorted((ROOT / "docs").rglob("*.md")):
        if (
            page.name not in ("architecture.md", "glossary.md") and page.parent.name != "reference"
        ):  # name private files too
            yield page.read_text()
    for example in sorted((ROOT / "examples").glob("*.py")):
        yield example.read_text()


def _named(texts: Iterable[str]) -> Iterator[str]:
    """Modules of ours that the texts name: the longest importable part of each dotted name."""
    names = {name for text in texts for name in re.findall(r"\b(?:s3dlio_core|s3dlio_torch)(?:\.[a-z]\w*)+", text)}
    for name in names:
        while "." in name:
            if _is_module(name):
                yield name
                break
            name = name.rpartition(".")[0]


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its parent is a module, not a package
        return False


def missing_names(documented: set[str], modules: Iterable[ModuleType]) -> list[str]:
    """Public names without an entry. One that a package above hands on needs no second entry in the module itself."""
    missing = []
    for module in modules:
        for name in module.__all__:
            if f"{module.__name__}.{name}" in documented:
                continue
            package = module.__name__.rpartition(".")[0]
            while package and not _hands_on(package, name, getattr(module, name), documented):
                package = package.rpartition(".")[0]
            if not package:
                missing.append(f"{module.__name__}.{name}")
    return missing


def _hands_on(package: str, name: str, value: object, documented: set[str]) -> bool:
    above = importlib.import_module(package)
    return f"{package}.{name}" in documented and name in above.__all__ and getattr(above, name) is value


def documented_names(inventory: Path) -> set[str]:
    """Names of Python's domain in Sphinx's inventory."""
    content = inventory.read_bytes()
    for _ in range(4):  # the head: format, project, version, how the rest is packed
        _, _, content = content.partition(b"\n")
    lines = zlib.decompress(content).decode().splitlines()
    return {name for name, kind in (line.split()[:2] for line in lines) if kind.startswith("py:")}


# ---- links ----


class _Page(HTMLParser):
    """What one page links to, and the anchors it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name == "id" and value:
                self.anchors.add(value)
            elif name in ("href", "src") and value:
                self.links.append(value)


def broken_links(site: Path) -> list[str]:
    """Links from the site's pages to files or anchors that are not in it."""
    pages = {path: _Page(path.read_text()) for path in site.rglob("*.html")}
    broken = []
    for path, page in sorted(pages.items()):
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            found = target.is_file() and (
                not parts.fragment or target.suffix != ".html" or unquote(parts.fragment) in pages[target].anchors
            )
            if not found:
                broken.append(f"{path.relative_to(site)}: {link}")
    return broken


def main(site: Path) -> int:
    """0 where all is there; what is not is printed."""
    modules = [importlib.import_module(name) for name in public_modules()]
    missing = missing_names(documented_names(site / "objects.inv"), modules)
    broken = broken_links(site)
    for name in missing:
        print(f"no entry in the site: {name} (the pages are in docs/reference)", file=sys.stderr)
    for link in broken:
        print(f"leads nowhere: {link}", file=sys.stderr)
    if missing or broken:
        return 1
    print(
        f"{site}: every name of {', '.join(module.__name__ for module in modules)} is there; every link leads somewhere"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
