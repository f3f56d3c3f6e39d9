"""Arguments and options that several commands share, so that a letter means one thing everywhere."""

import re
from collections.abc import Callable
from typing import Annotated

import typer

from s3dlio_core.cli.sizes import parse_size

__all__ = ["Jobs", "Json", "Length", "Offset", "Pattern", "Recursive", "Size", "Uri", "compiled", "matching"]


def _size(text: str | int) -> int:
    if isinstance(text, int):  # typer parses defaults too
        return text
    try:
        return parse_size(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


Uri = Annotated[str, typer.Argument(metavar="URI", help="s3://bucket/key, file:///path or direct:///path.")]
Recursive = Annotated[bool, typer.Option("--recursive", "-r", help="Everything below, not only one level.")]
Pattern = Annotated[
    str | None,
    typer.Option("--pattern", "-p", metavar="REGEX", help="Only keys whose part below URI matches somewhere."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one document a line.")]
Jobs = Annotated[int, typer.Option("--jobs", "--concurrent", "-j", min=1, max=4096, help="Objects at a time.")]
Offset = Annotated[int, typer.Option("--offset", parser=_size, metavar="SIZE", help="First byte to read.")]
Length = Annotated[
    int | None, typer.Option("--length", parser=_size, metavar="SIZE", help="Bytes to read; default: to the end.")
]
Size = Annotated[
    int, typer.Option("--size", "-s", parser=_size, metavar="SIZE", help="Of each object: 4096, 64k, 4MB, 8MiB.")
]


def compiled(pattern: str | None) -> re.Pattern[str] | None:
    """The regular expression of -p.

    Raises:
        typer.BadParameter: It is none.
    """
    if pattern is None:
        return None
    try:
        return re.compile(pattern)
    except re.error as error:
        raise typer.BadParameter(f"'{pattern}' is no regular expression: {error}", param_hint="--pattern") from None


def matching(pattern: str | None) -> Callable[[str], object] | None:
    """Whether a name holds the regular expression of -p; None without one. Errors as for compiled()."""
    matcher = compiled(pattern)
    return None if matcher is None else matcher.search
