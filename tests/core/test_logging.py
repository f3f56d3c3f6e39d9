"""The engine's lines reach Python's logging, at the level asked for, without secrets."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from s3dlio_core import Store, _ext, open_store, set_log_level

WARNING = logging.WARNING


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"file://{tmp_path}") as opened:
        yield opened
    set_log_level(logging.NOTSET)


def within_a_second(happened: Callable[[], bool]) -> bool:
    for _ in range(100):
        if happened():
            return True
        time.sleep(0.01)
    return False


def test_lines_arrive_with_their_level(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    set_log_level(logging.DEBUG)
    _ext.log(logging.DEBUG, "fine detail")
    _ext.log(WARNING, "100% odd")
    assert within_a_second(lambda: len(caplog.records) >= 2)
    assert [
        (r.name, r.levelno, r.getMessage()) for r in caplog.records if r.getMessage() in ("fine detail", "100% odd")
    ] == [
        ("s3dlio_core", logging.DEBUG, "fine detail"),
        ("s3dlio_core", WARNING, "100% odd"),
    ]


def test_level_keeps_the_rest_out(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    set_log_level("WARNING")
    _ext.log(logging.INFO, "not this")
    _ext.log(WARNING, "but this")
    assert within_a_second(lambda: any(r.getMessage() == "but this" for r in caplog.records))
    assert not any(r.getMessage() == "not this" for r in caplog.records)


def test_level_is_followed_when_a_store_is_opened(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level(logging.DEBUG, logger="s3dlio_core")
    with open_store(f"file://{tmp_path}"):
        _ext.log(logging.DEBUG, "seen")
        assert within_a_second(lambda: any(r.getMessage() == "seen" for r in caplog.records))


def test_secrets_are_taken_out(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    _ext.Credentials("AK", "hide-this-secret", "and-this-token")
    _ext.log(WARNING, "said hide-this-secret and and-this-token")
    assert within_a_second(lambda: bool(caplog.records))
    assert "hide-this" not in caplog.text
    assert "and-this-token" not in caplog.text


def test_line_that_is_no_utf8_is_shown_anyway(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    _ext.log(WARNING, "über")
    assert within_a_second(lambda: "über" in caplog.text)


def test_handler_that_calls_the_store_does_not_deadlock(store: Store) -> None:
    """Log lines come while the engine works, so what a handler does must not wait for the engine's thread."""
    store.put("a", b"x")
    got: list[bytes] = []

    class Calls(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            got.append(bytes(store.get("a")))

    handler = Calls()
    logger = logging.getLogger("s3dlio_core")
    logger.addHandler(handler)
    try:
        threads = [threading.Thread(target=_ext.log, args=(WARNING, "now")) for _ in range(4)]
        for thread in threads:
            thread.start()
        assert within_a_second(lambda: len(got) == 4)
        for thread in threads:
            thread.join(5)
    finally:
        logger.removeHandler(handler)


def test_too_many_lines_are_dropped_and_counted(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    blocked = threading.Event()

    class Blocks(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            blocked.wait(10)

    handler = Blocks()
    logger = logging.getLogger("s3dlio_core")
    logger.addHandler(handler)
    try:
        for _ in range(12_000):
            _ext.log(WARNING, "again")
    finally:
        blocked.set()
        logger.removeHandler(handler)
    assert within_a_second(lambda: "log lines were dropped" in caplog.text)
