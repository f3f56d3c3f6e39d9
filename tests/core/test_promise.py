"""Promises: calls that Python code carries out are waited for, cancelled and gathered as the engine's own."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from typing import Any

import pytest

from s3dlio_core import ClosedError, InvalidArgumentError, ObjectNotFoundError, TransferCancelledError
from s3dlio_core._ext import CompletionPort, Promise
from s3dlio_core.run.on_loop import result_of


def fulfil_later(promise: Promise[Any], value: Any) -> threading.Thread:
    thread = threading.Timer(0.05, promise.set_result, args=(value,))
    thread.start()
    return thread


def test_a_result_that_is_there() -> None:
    promise: Promise[list[int]] = Promise()
    pending = promise.pending()
    assert not pending.done()
    promise.set_result([1])
    assert pending.done()
    assert pending.result() == [1]
    with pytest.raises(ClosedError, match="taken already"):
        pending.wait()


def test_none_is_a_result() -> None:
    promise: Promise[None] = Promise()
    promise.set_result(None)
    assert promise.pending().wait() is None


def test_a_wait_ends_with_the_result_of_another_thread() -> None:
    promise: Promise[str] = Promise()
    thread = fulfil_later(promise, "here")
    assert promise.pending().wait() == "here"
    thread.join()


def test_an_error_is_raised_as_it_is() -> None:
    promise: Promise[str] = Promise()
    error = ObjectNotFoundError("nothing here", operation="get", uri="memory://a/b")
    promise.set_error(error)
    with pytest.raises(ObjectNotFoundError) as caught:
        promise.pending().wait()
    assert caught.value is error


@pytest.mark.parametrize("second", ["set_result", "set_error"])
def test_it_is_fulfilled_once(second: str) -> None:
    promise: Promise[Any] = Promise()
    promise.set_result(1)
    with pytest.raises(InvalidArgumentError, match="already"):
        getattr(promise, second)(ValueError("late"))
    assert promise.pending().wait() == 1


def test_misuse() -> None:
    promise: Promise[int] = Promise()
    with pytest.raises(TypeError, match="exception"):
        promise.set_error("no exception")  # type: ignore[arg-type]
    pending = promise.pending()
    with pytest.raises(InvalidArgumentError, match="given out already"):
        promise.pending()
    promise.set_result(1)
    assert pending.wait() == 1


def test_a_dropped_promise_fails_its_caller() -> None:
    promise: Promise[int] = Promise()
    pending = promise.pending()
    del promise
    with pytest.raises(ClosedError, match="without an answer"):
        pending.wait()


def test_cancelling_tells_who_works_and_waits_for_the_end() -> None:
    promise: Promise[int] = Promise()
    pending = promise.pending()
    assert not promise.cancelled()
    pending.cancel()
    assert promise.cancelled()
    assert not pending.done()
    promise.set_error(ClosedError("cancelled"))
    assert pending.done()


def test_a_promise_dropped_after_it_was_cancelled_says_so() -> None:
    promise: Promise[int] = Promise()
    pending = promise.pending()
    pending.cancel()
    del promise
    with pytest.raises(TransferCancelledError):
        pending.wait()


def test_a_pending_that_is_dropped_cancels_and_does_not_wait() -> None:
    """The thread that drops it may be the one that has to end it."""
    promise: Promise[int] = Promise()
    pending = promise.pending()
    del pending
    assert promise.cancelled()
    promise.set_result(1)


# ---- hearing of a cancellation ----


def test_a_callback_hears_of_a_cancellation_once() -> None:
    promise: Promise[int] = Promise()
    pending = promise.pending()
    heard: list[int] = []

    def end() -> None:
        heard.append(threading.get_ident())
        promise.set_error(TransferCancelledError("taken back"))

    promise.on_cancel(end)
    with pytest.raises(InvalidArgumentError, match="callback"):
        promise.on_cancel(end)
    pending.cancel()
    pending.cancel()
    assert heard == [threading.get_ident()]
    with pytest.raises(TransferCancelledError):
        pending.wait()


def test_a_callback_that_comes_late_is_called_at_once() -> None:
    promise: Promise[int] = Promise()
    pending = promise.pending()
    pending.cancel()
    heard: list[int] = []
    promise.on_cancel(lambda: heard.append(1))
    assert heard == [1]
    promise.set_result(1)
    assert pending.wait() == 1


def test_an_end_before_the_cancellation_is_not_told() -> None:
    promise: Promise[int] = Promise()
    pending = promise.pending()
    heard: list[int] = []
    promise.on_cancel(lambda: heard.append(1))
    promise.set_result(1)
    pending.cancel()
    assert heard == []


def test_a_callback_runs_while_an_exception_is_on_its_way() -> None:
    promise: Promise[int] = Promise()
    heard: list[int] = []
    promise.on_cancel(lambda: heard.append(1))

    def fail() -> None:
        pending = promise.pending()
        assert not pending.done()
        raise KeyError("on its way")

    with contextlib.suppress(KeyError):
        fail()
    assert heard == [1]
    promise.set_result(1)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_exception_in_a_callback_is_reported_and_stays_there() -> None:
    promise: Promise[int] = Promise()
    pending = promise.pending()
    promise.on_cancel(lambda: 1 // 0)
    pending.cancel()
    assert promise.cancelled()
    promise.set_result(1)


def test_a_callback_that_refers_to_its_promise_is_collected() -> None:
    """Else nobody would end the call of a promise that is forgotten."""
    promise: Promise[int] = Promise()
    pending = promise.pending()

    def end(promise: Promise[int] = promise) -> None:
        promise.set_result(1)

    promise.on_cancel(end)
    del promise, end
    gc.collect()
    with pytest.raises(ClosedError, match="without an answer"):
        pending.wait()


def test_threads_race_for_the_end() -> None:
    for _ in range(20):
        race_for_the_end()


def race_for_the_end() -> None:
    promise: Promise[int] = Promise()
    pending = promise.pending()
    refused: list[Exception] = []
    start = threading.Barrier(5)

    def end() -> None:
        start.wait()
        try:
            promise.set_result(7)
        except InvalidArgumentError as error:
            refused.append(error)

    threads = [threading.Thread(target=end) for _ in range(4)]
    for thread in threads:
        thread.start()
    start.wait()
    assert pending.wait() == 7
    for thread in threads:
        thread.join()
    assert len(refused) == 3


def test_results_are_not_kept() -> None:
    class Value:
        pass

    class Refused(ValueError):
        pass

    taken, never_taken, of_error = Value(), Value(), Refused("x")
    references = [weakref.ref(taken), weakref.ref(never_taken), weakref.ref(of_error)]
    first: Promise[Value] = Promise()
    first.set_result(taken)
    first.pending().wait()
    second: Promise[Value] = Promise()
    second.set_result(never_taken)
    third: Promise[Value] = Promise()
    third.set_error(of_error)
    with contextlib.suppress(Refused):
        third.pending().wait()
    del taken, never_taken, of_error, first, second, third
    gc.collect()
    assert [reference() for reference in references] == [None, None, None]


def test_a_completion_port_hears_of_it() -> None:
    port, promises = CompletionPort(with_fd=False), [Promise[int]() for _ in range(3)]
    waiting = [promise.pending() for promise in promises]
    for token, pending in enumerate(waiting):
        port.add(pending, token)
    promises[1].set_result(1)
    assert port.wait() == [1]
    promises[0].set_result(0)
    promises[2].set_error(ValueError("two"))
    assert sorted(port.take()) == [0, 2]


def test_awaited_on_a_loop() -> None:
    async def run() -> str:
        promise: Promise[str] = Promise()
        thread = fulfil_later(promise, "here")
        result = await result_of(promise.pending())
        thread.join()
        return result

    assert asyncio.run(run()) == "here"


def test_a_cancelled_task_is_over_when_the_call_is() -> None:
    async def run() -> None:
        promise: Promise[str] = Promise()
        task = asyncio.ensure_future(result_of(promise.pending()))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.sleep(0.01)
        assert promise.cancelled()
        assert not task.done()
        promise.set_result("late")
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())


def test_a_child_refuses_its_parents() -> None:
    promise: Promise[int] = Promise()
    pid = os.fork()
    if pid == 0:
        try:
            promise.set_result(1)
        except ClosedError as error:
            os._exit(0 if "before fork" in str(error) else 2)
        os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    promise.set_result(2)
    assert promise.pending().wait() == 2


HEAD = """
    import atexit, os, signal, sys, threading, time
    from s3dlio_core import TransferCancelledError
    from s3dlio_core._ext import Promise
"""
ENDINGS = {
    "threads wait, and the program ends": """
        promises = [Promise() for _ in range(4)]
        for promise in promises:
            threading.Thread(target=promise.pending().wait, daemon=True).start()
        time.sleep(0.1)
        sys.exit(3)
    """,
    "threads end promises without pause": """
        def work():
            while True:
                promise = Promise()
                promise.on_cancel(lambda: None)
                pending = promise.pending()
                threading.Thread(target=promise.set_result, args=(object(),), daemon=True).start()
                pending.wait()
        for _ in range(4):
            threading.Thread(target=work, daemon=True).start()
        time.sleep(0.3)
        sys.exit(3)
    """,
    "a callback hears of the end": """
        promise = Promise()
        pending = promise.pending()
        promise.on_cancel(lambda: os._exit(3))
    """,
    "ctrl-c, and the call ends for it": """
        promise = Promise()
        promise.on_cancel(lambda: promise.set_error(TransferCancelledError("taken back")))
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            promise.pending().wait()
        except KeyboardInterrupt:
            sys.exit(3 if promise.cancelled() else 4)
    """,
    "ctrl-c twice, and the call does not end": """
        promise = Promise()
        for delay in (0.2, 0.6):
            threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            promise.pending().wait()
        except KeyboardInterrupt:
            sys.exit(3 if promise.cancelled() else 4)
    """,
}


@pytest.mark.parametrize("ending", list(ENDINGS))
def test_a_process_ends_as_it_should(ending: str) -> None:
    program = textwrap.dedent(HEAD) + textwrap.dedent(ENDINGS[ending])
    began = time.monotonic()
    command = [sys.executable, "-X", "dev", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (3, "")
    assert time.monotonic() - began < 5
