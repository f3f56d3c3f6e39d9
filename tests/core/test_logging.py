"""The engine's lines reach Python's logging, at the level asked for, without secrets."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from waiting import wait_until

from s3dlio_core import Store, _ext, open_store, set_log_level

WARNING = logging.WARNING


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"file://{tmp_path}") as opened:
        yield opened
    set_log_level(logging.NOTSET)


def test_lines_arrive_with_their_level(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    set_log_level(logging.DEBUG)
    _ext.log(logging.DEBUG, "fine detail")
    _ext.log(WARNING, "100% odd")
    wait_until(lambda: len(caplog.records) >= 2)
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
    wait_until(lambda: any(r.getMessage() == "but this" for r in caplog.records))
    assert not any(r.getMessage() == "not this" for r in caplog.records)


def test_level_is_followed_when_a_store_is_opened(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level(logging.DEBUG, logger="s3dlio_core")
    with open_store(f"file://{tmp_path}"):
        _ext.log(logging.DEBUG, "seen")
        wait_until(lambda: any(r.getMessage() == "seen" for r in caplog.records))


def test_secrets_are_taken_out(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    _ext.Credentials("AK", "hide-this-secret", "and-this-token")
    _ext.log(WARNING, "said hide-this-secret and and-this-token")
    wait_until(lambda: bool(caplog.records))
    assert "hide-this" not in caplog.text
    assert "and-this-token" not in caplog.text


def test_line_that_is_no_utf8_is_shown_anyway(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    _ext.log(WARNING, "über")
    wait_until(lambda: "über" in caplog.text)


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
        wait_until(lambda: len(got) == 4)
        for thread in threads:
            thread.join(5)
    finally:
        logger.removeHandler(handler)


def test_too_many_lines_are_dropped_and_counted(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    reached, blocked = threading.Event(), threading.Event()

    class Blocks(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            reached.set()
            blocked.wait(10)

    handler = Blocks()
    logger = logging.getLogger("s3dlio_core")
    logger.addHandler(handler)
    try:
        _ext.log(WARNING, "first")
        assert reached.wait(10)  # from here on nobody takes lines away
        for _ in range(12_000):
            _ext.log(WARNING, "again")
    finally:
        blocked.set()
        logger.removeHandler(handler)
    wait_until(lambda: "log lines were dropped" in caplog.text)
