"""Values made ahead of their consumer: all of them, in order, and no thread left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from s3dlio_core.checkpoint.ahead import Ahead


def test_all_values_in_order() -> None:
    ahead = Ahead(range(1000), 2, threading.Event())
    assert list(ahead) == list(range(1000))


def test_no_more_than_depth_ahead() -> None:
    made: list[int] = []

    def source() -> Iterator[int]:
        for number in range(20):
            made.append(number)
            yield number

    for number in Ahead(source(), 2, threading.Event()):
        assert len(made) <= number + 1 + 2 + 2  # taken, waiting, in the maker's hand, being made
    assert len(made) == 20


def test_an_error_comes_after_the_values_before_it() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise OSError("broken")

    seen = []
    with pytest.raises(OSError, match="broken"):
        for value in Ahead(source(), 2, threading.Event()):
            seen.append(value)
    assert seen == [1]


def test_stop_ends_a_thread_that_waits_for_room() -> None:
    stop = threading.Event()
    ahead = Ahead(range(1000), 1, stop)
    assert next(iter(ahead)) == 0
    stop.set()
    ahead.close()
    assert len(list(ahead)) <= 2  # what was there; it does not wait for more
