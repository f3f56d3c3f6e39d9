"""A bar on stderr for one rank's save."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3dlio_core.checkpoint.progress import CheckpointProgress

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["ProgressBar"]


class ProgressBar:
    """Shows bytes, rate and time left. Made anew for every save."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._bar: Progress | None = None

    def __call__(self, progress: CheckpointProgress) -> None:
        """Show `progress`."""
        if self._bar is None:
            self._bar = _open_bar()
            self._bar.add_task(self._label, total=progress.bytes_total)
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=progress.bytes_done)

    def close(self) -> None:
        """Leave the last state standing."""
        if self._bar is not None:
            self._bar.stop()


def _open_bar() -> Progress:
    from rich import progress
    from rich.console import Console

    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
    )
