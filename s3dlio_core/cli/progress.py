"""A progress bar on stderr where it is a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from s3dlio_core.cli.sizes import format_rate, format_size
from s3dlio_core.moving.jobs import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

__all__ = ["Meter"]


class Meter:
    """Shows objects and bytes done with rate, time left and objects left; the bar follows the bytes, else the objects.

    Args:
        label: What is going on, e.g. "get".
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._start = time.monotonic()
        self._bar: Bar | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._open_bar()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, progress: Progress) -> None:
        """So far it is."""
        if self._bar is None or self._task is None:
            return
        by_bytes = bool(progress.bytes_total)
        self._bar.update(
            self._task,
            total=progress.bytes_total if by_bytes else progress.files_total,
            completed=progress.bytes_done if by_bytes else progress.files_done,
            told=self._told(progress),
        )

    def _told(self, progress: Progress) -> str:
        done, total = progress.files_done, progress.files_total
        objects = f"{done} done" if total is None else f"{total - done} left"
        if not progress.bytes_done:
            return objects
        rate = format_rate(progress.bytes_done, time.monotonic() - self._start)
        return f"{format_size(progress.bytes_done)}, {rate}, {objects}"

    def _open_bar(self) -> None:
        from rich import progress
        from rich.console import Console

        self._bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.TextColumn("{task.fields[told]}"),
            progress.TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task(self._label, total=None, told="")
        self._bar.start()
