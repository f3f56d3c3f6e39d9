"""The command line's reference, written from the program itself: what `--help` of each command says."""

from __future__ import annotations

import re
from typing import Any

import typer.main

from s3dlio_core.cli import commands as _every_command  # noqa: F401  importing them registers them
from s3dlio_core.cli.app import app


def commands() -> str:
    """The program's options, then each command under a heading of its own."""
    program = typer.main.get_command(app)
    names = sorted(name for name, command in program.commands.items() if not command.hidden)
    parts = [_page("s3dlio", program), "## Commands\n"]
    for name in names:
        aliases = [
            other for other, command in program.commands.items() if command.hidden and _same(command, program, name)
        ]
        parts.append(f"### s3dlio {name}\n")
        if aliases:
            parts.append(f"Also `{'`, `'.join(aliases)}`.\n")
        parts.append(_page(f"s3dlio {name}", program.commands[name]))
    return "\n".join(parts)


def _same(command: Any, program: Any, name: str) -> bool:
    return bool(command.callback.__wrapped__ is program.commands[name].callback.__wrapped__)


def _page(title: str, command: Any) -> str:
    context = command.make_context(title, [], resilient_parsing=True)
    usage = " ".join([title, *command.collect_usage_pieces(context)])
    parts = [f"```bash\n{usage}\n```\n", _prose(command.help or ""), f"```{{program}} {title}\n```\n"]
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is not None:  # hidden otherwise
            spelling, text = record
            parts.append(f"```{{option}} {spelling}\n{_literal(text)}\n```\n")
    return "\n".join(parts)


def _prose(text: str) -> str:
    """Help text in Markdown: a paragraph behind a backspace keeps its lines, so it is code."""
    parts = []
    for paragraph in text.strip().split("\n\n"):
        if paragraph.startswith("\b\n"):
            head, _, code = paragraph.removeprefix("\b\n").partition("\n")
            lines = "\n".join(_commented(line.removeprefix("  ")) for line in code.splitlines())
            parts.append(f"{head}\n\n```bash\n{lines}\n```\n")
        else:
            parts.append(_literal(paragraph) + "\n")
    return "\n".join(parts)


def _commented(line: str) -> str:
    """What stands in a second column tells what the command is for."""
    return re.sub(r"(?<=\S)(\s{3,})(?=\S)", r"\1# ", line, count=1)


def _literal(text: str) -> str:
    """Text in which Markdown must find no markup except code."""
    pieces = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(piece if piece.startswith("`") else re.sub(r"([*_\[\]<>{}|\\])", r"\\\1", piece) for piece in pieces)
