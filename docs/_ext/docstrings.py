"""Docstrings as this project writes them: a call's name and a class in backticks are links."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.domains.python import PyObject, PyXRefRole
from sphinx.util.nodes import make_refnode

# What may name something of the site. A single lower-case word in backticks is a parameter and links nowhere.
NAME = re.compile(r"[A-Za-z_][\w.]*\(\)|[A-Z]\w+(\.\w+)*|[a-z_]\w*(\.\w+)+")
CALL = re.compile(r"(?<![`\w.\"'(\[{])((?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*\(\))(?![`\w\"'])")
PAGE = re.compile(r"\b(docs/([\w/]+)\.md)\b")

_reference = PyXRefRole(fix_parens=True)


def name_role(
    name: str, rawtext: str, text: str, lineno: int, inliner: Any, options: Any = None, content: Any = ()
) -> tuple[list[Any], list[Any]]:
    """`text`: a link where the site documents such a name, else code."""
    if not NAME.fullmatch(text):
        return [nodes.literal(rawtext, text, classes=["code"])], []
    return _reference("py:obj", f":py:obj:`{text}`", text, lineno, inliner, options or {}, content)


def link_calls(lines: list[str]) -> list[str]:
    """The lines with each `name()` of their prose in backticks and each page a link.

    What is indented below `::` is left alone.
    """
    result = []
    code_below: int | None = None  # the indentation of the paragraph that a literal block belongs to
    for line in lines:
        indentation = len(line) - len(line.lstrip())
        if code_below is not None and line.strip() and indentation <= code_below:
            code_below = None
        if code_below is None:
            if line.rstrip().endswith("::"):
                code_below = indentation
            pieces = re.split(r"(`[^`]*`|\"[^\"]*\")", line)
            line = "".join(piece if piece[:1] in ("`", '"') else _with_links(piece) for piece in pieces)
        result.append(line)
    return result


def _with_links(text: str) -> str:
    return PAGE.sub(r":doc:`\1 </\2>`", CALL.sub(r"`\1`", text))


class Prose:
    """Keeps docstrings of attributes as they are written: Napoleon takes "Bytes: as stored" for a type and its text."""

    def __init__(self) -> None:
        self._kept: list[str] | None = None

    def before_napoleon(self, app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
        lines[:] = link_calls(lines)
        self._kept = list(lines) if what in ("attribute", "property", "data") else None

    def after_napoleon(self, app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
        if self._kept is not None:
            lines[:] = self._kept


def without_noise(app: Any, what: str, name: str, obj: Any, options: Any, signature: str | None, returned: Any) -> Any:
    """No arguments for what callers never make themselves, errors and protocols; no `self` of compiled classes."""
    if what == "exception" or getattr(obj, "_is_protocol", False):
        return "", returned
    if signature is not None and what == "method":
        return re.sub(r"^\(self(, )?", "(", signature), (returned or "").removeprefix("builtins.") or None
    return None


def of_the_core(app: Any, env: Any, node: Any, content: Any) -> Any:
    """The other packages' docstrings name classes of the core, and open_store(), without the core's name."""
    name = node.get("reftarget", "")
    if node.get("refdomain") != "py" or not (name[:1].isupper() or name == "open_store"):
        return None
    found = env.domains["py"].objects.get(f"s3dlio_core.{name}")
    if found is None:
        return None
    return make_refnode(app.builder, node["refdoc"], found.docname, found.node_id, content, name)


def skip_fields(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Fields of named tuples stand in the class's docstring; Python's own text on each says less."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def en_dashes(app: Any, page: Any) -> None:
    """The sign between a parameter and its text."""
    for text in list(page.findall(nodes.Text)):
        if text == " -- ":
            text.parent.replace(text, nodes.Text(" \N{EN DASH} "))


def setup(app: Any) -> dict[str, bool]:
    app.add_role("name", name_role)
    for field in PyObject.doc_field_types:
        if field.name == "variable":
            field.label = "Attributes"  # as the docstrings call them
    prose = Prose()
    app.connect("autodoc-process-docstring", prose.before_napoleon, priority=400)
    app.connect("autodoc-process-docstring", prose.after_napoleon, priority=600)
    app.connect("autodoc-process-signature", without_noise)
    app.connect("autodoc-skip-member", skip_fields)
    app.connect("missing-reference", of_the_core)
    app.connect("doctree-read", en_dashes)
    return {"parallel_read_safe": True}
