"""SIGTERM, which Kubernetes, Slurm and `timeout` send before they kill, and SIGHUP: as Ctrl-C, and in good time."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

__all__ = ["Stopped", "status_of", "stop_on_signals"]

_SECONDS = 4.5  # who waits for the end of a process mostly waits longer; 5 s are promised
_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class Stopped(KeyboardInterrupt):
    """What a command hears of a signal; where Ctrl-C is heard, and taken care of, so is this."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def stop_on_signals() -> None:
    """Have the signals raise Stopped. One that is ignored, as `nohup` has it, stays ignored."""
    wanted = [number for number in _SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    if not wanted:
        return
    # Told by Python's C code as a signal comes, also while this thread is where it cannot be interrupted.
    heard, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    threading.Thread(target=_end_in_time, args=(heard,), name="s3dlio-signals", daemon=True).start()
    for number in wanted:
        signal.signal(number, _raise)


def status_of(error: KeyboardInterrupt) -> int:
    """The exit status, as shells give it: 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP."""
    return 128 + (error.number if isinstance(error, Stopped) else signal.SIGINT)


def _raise(number: int, frame: FrameType | None) -> None:
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)  # a second one must not break off the clean-up
    raise Stopped(number)


def _end_in_time(heard: int) -> None:
    """After a signal, end the process though something is still being taken back: soon it would be killed."""
    number = 0
    while number not in _SIGNALS:
        number = os.read(heard, 1)[0]
    threading.Event().wait(_SECONDS)
    os.write(sys.stderr.fileno(), b"s3dlio: not all could be taken back in time; `s3dlio sweep` finds what is left\n")
    os._exit(128 + number)
