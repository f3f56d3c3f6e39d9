"""The thread that does for the engine what only Python can: write log lines, look up credentials.

The engine never takes the GIL; it leaves requests in a queue, and this thread empties it.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import traceback
import weakref
from typing import Protocol

from s3dlio_core import _ext
from s3dlio_core.errors import LocalIOError
from s3dlio_core.logging import LOGGER

__all__ = ["CredentialProvider", "drain", "ensure_running", "forget_after_fork", "register_provider"]


class CredentialProvider(Protocol):
    """What can look credentials up."""

    def resolve(self) -> _ext.Credentials: ...


_lock = threading.Lock()
_thread: threading.Thread | None = None
# Held by the stores: a provider goes when its last store does.
_providers: weakref.WeakValueDictionary[int, CredentialProvider] = weakref.WeakValueDictionary()
_next_provider = 1


def register_provider(provider: CredentialProvider) -> int:
    """The id by which the engine will ask for `provider`, as long as somebody holds it."""
    global _next_provider
    with _lock:
        number = _next_provider
        _next_provider += 1
    _providers[number] = provider
    return number


def ensure_running() -> None:
    """Start the thread unless it runs.

    Raises:
        LocalIOError: The system gives no thread. The next call tries again.
    """
    global _thread
    with _lock:
        if _thread is None:
            thread = threading.Thread(target=_serve, name="s3dlio-service", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                message = f"{error}; see the limits of the process and its container (ulimit -u, pids.max)"
                raise LocalIOError(message, operation="open") from error
            _thread = thread


def drain() -> None:
    """Handle what waits now, on this thread: the last lines before the interpreter ends."""
    for kind, first, second in _ext.next_events(0.0) or ():
        if kind == "log":
            _log(first, second)


def forget_after_fork() -> None:
    """In a forked child: the thread stayed in the parent."""
    global _lock, _thread
    _lock = threading.Lock()
    _thread = None


def _serve() -> None:
    while (events := _ext.next_events(3600.0)) is not None:
        for kind, first, second in events:
            if kind == "log":
                _log(first, second)
            else:
                _start_look_up(first, second)


def _log(level: int, message: str) -> None:
    """Hand a line on. A handler that raises must not end the thread: nobody would look credentials up any more."""
    try:
        LOGGER.log(level, "%s", message)
    except BaseException:
        if logging.raiseExceptions:  # as logging itself treats a handler's failures
            with contextlib.suppress(BaseException):
                traceback.print_exc()


def _start_look_up(request: int, provider_id: int) -> None:
    """Seconds may pass (a metadata service that does not answer): log lines must not wait for it."""
    thread = threading.Thread(target=_look_up, args=(request, provider_id), name="s3dlio-credentials", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # the system gives no thread
        _look_up(request, provider_id)


def _look_up(request: int, provider_id: int) -> None:
    provider = _providers.get(provider_id)
    if provider is None:
        _ext.answer_lookup(request, None, "the store was closed")
        return
    try:
        credentials = provider.resolve()
    except BaseException as error:  # handed to whoever waits in the engine, who would wait two minutes for nothing
        _ext.answer_lookup(request, None, getattr(error, "message", "") or f"{type(error).__name__}: {error}")
    else:
        _ext.answer_lookup(request, credentials, "")
