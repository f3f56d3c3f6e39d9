"""A progress bar on stderr where it is a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from s3dlio_core.cli.sizes import format_rate, format_size

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["Meter"]


class Meter:
    """Counts objects and bytes done, and shows them with rate, ETA and objects left.

    Args:
        label: What is going on, e.g. "get".
        objects: How many objects there will be; None while nobody knows.
        size: How many bytes there will be; None where nobody knows. The bar follows the bytes, else the objects.
    """

    def __init__(self, label: str, *, objects: int | None = None, size: int | None = None) -> None:
        self._label = label
        self._objects = objects
        self._size = size
        self._objects_done = 0
        self._bytes_done = 0
        self._start = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._open_bar()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, size: int, *, objects: int = 1) -> None:
        """`size` more bytes and `objects` more objects are done, well or badly."""
        self._objects_done += objects
        self._bytes_done += size
        if self._bar is not None and self._task is not None:
            done = self._bytes_done if self._size else self._objects_done
            self._bar.update(self._task, completed=done, told=self._told())

    def _told(self) -> str:
        known = self._objects is not None
        objects = f"{(self._objects or 0) - self._objects_done} left" if known else f"{self._objects_done} done"
        if not self._bytes_done:
            return objects
        rate = format_rate(self._bytes_done, time.monotonic() - self._start)
        return f"{format_size(self._bytes_done)}, {rate}, {objects}"

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
        self._task = self._bar.add_task(self._label, total=self._size or self._objects, told=self._told())
        self._bar.start()
