"""A process that uses the package ends as it should: at once, with its own status, whatever is under way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from servers.access import credentials_of
from servers.content import MIB, content
from servers.fault_server import FaultServer
from waiting import wait_until

from s3dlio_core import LocalIOError, open_store
from s3dlio_core.process import service

DATA = content(3 * MIB + 17, seed=32)


@pytest.fixture
def server(fault_server: FaultServer) -> FaultServer:
    fault_server.put_object("data", "a", DATA)
    return fault_server


def program(server: FaultServer, body: str) -> list[str]:
    head = f"import s3dlio_core\nstore = s3dlio_core.open_store('s3://data/', **{credentials_of(server)!r})\n"
    return [sys.executable, "-X", "dev", "-W", "error", "-c", head + textwrap.dedent(body)]


def run(
    server: FaultServer, body: str, *, within_seconds: float = 20
) -> tuple[subprocess.CompletedProcess[str], float]:
    began = time.monotonic()
    command = program(server, body)
    done = subprocess.run(command, capture_output=True, text=True, timeout=within_seconds, check=False)
    return done, time.monotonic() - began


ENDINGS = {
    "nothing done": "",
    "after a get": "store.get('a')",
    "without closing": "buffers = [store.get('a') for _ in range(5)]",
    "prefetch under way": "stream = store.prefetch(['slow'] * 50); import time; time.sleep(0.3)",
    "thread in a get": """
        import threading, time
        threading.Thread(target=lambda: store.get('slow'), daemon=True).start()
        time.sleep(0.3)
    """,
    "get of a thread nobody waits for": """
        import threading
        threading.Thread(target=lambda: store.get('a')).start()
    """,
    "task of a loop that ended": """
        import asyncio
        async def main():
            task = asyncio.ensure_future(store.get_async('slow'))
            await asyncio.sleep(0.2)
        asyncio.run(main())
    """,
    "buffer in a global": "import builtins; builtins.kept = store.get('a')",
    "view outlives all": "import builtins; builtins.kept = memoryview(store.get('a'))",
}


@pytest.mark.parametrize("kind", list(ENDINGS))
def test_exits_at_once_with_status_zero(server: FaultServer, kind: str) -> None:
    server.put_object("data", "slow", DATA)
    server.fault("get", key="slow", times=None, bytes_per_second=10_000)
    done, took = run(server, ENDINGS[kind])
    assert done.stderr == ""
    assert done.returncode == 0
    assert took < 10


def test_sys_exit_keeps_its_status(server: FaultServer) -> None:
    done, _ = run(server, "store.get('a')\nraise SystemExit(7)")
    assert done.returncode == 7


def test_uncaught_error_is_shown(server: FaultServer) -> None:
    done, _ = run(server, "store.get('none')")
    assert done.returncode == 1
    assert "ObjectNotFoundError" in done.stderr
    assert "s3://data/none" in done.stderr
    assert server.secret_key not in done.stderr


@pytest.mark.parametrize(
    "call",
    ["store.get('slow')", "store.get_into('slow', bytearray(3 << 20))", "next(store.prefetch(['slow']))",
     "store.get_many(['slow'] * 5)", "store.head('slow')", "list(store.list())", "store.put('slow', bytes(1 << 20))"],
)  # fmt: skip
def test_ctrl_c_ends_a_waiting_call(server: FaultServer, call: str) -> None:
    server.fault(times=None, stall_head=True)
    body = f"""
        try:
            print('waiting', flush=True)
            {call}
        except KeyboardInterrupt:
            print('interrupted', flush=True)
    """
    process = subprocess.Popen(program(server, body), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    wait_until(lambda: server.requests)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    took = time.monotonic() - began
    assert (out, err) == ("interrupted\n", "")
    assert process.returncode == 0
    assert took < 4, "with leaving the interpreter, which waits 5 s for calls that were not taken back"


def test_memory_is_free_after_ctrl_c(server: FaultServer) -> None:
    """When KeyboardInterrupt arrives, nothing writes to the caller's memory any more."""
    server.fault("get", times=None, bytes_per_second=1_000_000)
    body = """
        import threading, time
        out = bytearray(3 << 20)
        def tell():
            while not any(out):
                time.sleep(0.01)
            print('arriving', flush=True)
        threading.Thread(target=tell).start()
        try:
            store.get_into('a', out)
        except KeyboardInterrupt:
            then = bytes(out)
            time.sleep(0.5)
            print('free' if out == then else 'written', flush=True)
    """
    process = subprocess.Popen(program(server, body), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "arriving\n"
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert out == "free\n"


LEFT = {
    "dropped": "write(); del writer",
    "in a global": "write()",
    "in the frames of an exception": """
        def fail(writer=writer):
            write()
            raise KeyboardInterrupt
        del writer
        fail()
    """,
    "inside an upload": """
        import tempfile
        del writer
        def fail(progress):
            if progress.bytes_done:
                raise KeyboardInterrupt
        with tempfile.NamedTemporaryFile() as file:
            file.truncate(40 << 20)
            s3dlio_core.upload(file.name, store.uri_of('half'), store=store, on_progress=fail)
    """,
}


@pytest.mark.parametrize("how", list(LEFT))
def test_a_writer_that_is_left_open_leaves_nothing(server: FaultServer, how: str) -> None:
    """The upload's name comes with an answer that the process waits for, though nobody in it does any more."""
    server.fault("create_upload", delay_head_seconds=1.0)
    head = """
        writer = store.open_writer('half')
        def write(writer=writer):
            for _ in range(20):
                writer.write(bytes(1 << 20))
    """
    done, _ = run(server, textwrap.dedent(head) + textwrap.dedent(LEFT[how]))
    assert done.returncode in (0, -signal.SIGINT), done.stderr
    assert "leak" not in done.stderr
    assert server.count("create_upload") == 1
    assert server.objects.uploads == {}
    assert server.stored("data", "half") is None


def test_killed_in_the_middle_of_an_upload(server: FaultServer) -> None:
    """U9: nothing is visible, and a sweep takes away what is left by its age."""
    body = """
        writer = store.open_writer('half')
        for _ in range(40):
            writer.write(bytes(1 << 20))
        print('written', flush=True)
        import time; time.sleep(60)
    """
    process = subprocess.Popen(program(server, body), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    wait_until(lambda: server.objects.uploads)  # written is not yet sent
    process.kill()
    process.communicate(timeout=20)
    from s3dlio_core import open_store

    assert server.stored("data", "half") is None
    assert len(server.objects.uploads) == 1
    with open_store("s3://data/", **credentials_of(server)) as store:
        assert store.sweep_uploads(older_than_seconds=3600) == 0
        assert len(server.objects.uploads) == 1
        assert store.sweep_uploads(older_than_seconds=0) == 1
    assert server.objects.uploads == {}


def test_killed_in_the_middle_of_a_write_to_disk(server: FaultServer, tmp_path) -> None:  # type: ignore[no-untyped-def]
    from s3dlio_core import open_store

    uri = f"file://{tmp_path}/root"
    with open_store(uri) as store:
        store.put("half", b"before")
    body = f"""
        writer = s3dlio_core.open_store({uri!r}).open_writer('half')
        for _ in range(40):
            writer.write(bytes(1 << 20))
        print('written', flush=True)
        import time; time.sleep(60)
    """
    process = subprocess.Popen(program(server, body), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    process.kill()
    process.communicate(timeout=20)
    with open_store(uri) as store:
        assert store.get("half") == b"before"
        assert [meta.key for meta in store.list()] == ["half"]
        assert store.sweep_uploads(older_than_seconds=0) <= 1
        assert store.get("half") == b"before"
    left = [name for _, _, names in os.walk(tmp_path / "root") for name in names]
    assert left == ["half"], "the dead writer's temporary was not swept"


# ---- daemon threads that are in the middle of something ----

DAEMON_WORK = {
    "get": "store.get('a')",
    "get_into": "store.get_into('a', out)",
    "checksum": "crc32(out)",
    "memory": "_ext.allocate(300_000)",
    "put": "store.put(f'b{index}', out)",
    # the end of the process drops what is being written, and a thread may live to see that
    "writer": "with suppress(ClosedError): writer = store.open_writer(f'w{index}'); writer.write(out); writer.close()",
    "prefetch": "list(store.prefetch(['a'] * 8))",
    "tensor": "store.put(f'b{index}', tensor)",
    "op": "ops.read_into(store, 'a', tensor)",
}


@pytest.mark.parametrize(
    ("work", "kind"),
    # importing torch takes seconds, and its door is the same for all
    [(work, kind) for work in DAEMON_WORK for kind in ("s3", "file") if kind == "file" or work not in ("tensor", "op")],
)
def test_sys_exit_while_daemon_threads_work(server: FaultServer, tmp_path: Path, work: str, kind: str) -> None:
    """Python ends threads that want the GIL back by unwinding them, which C++ frames answer with abort()."""
    if work == "op":
        pytest.importorskip("s3dlio_torch.ops", reason="built without torch", exc_type=ImportError)
    body = f"""
        import sys, threading
        from contextlib import suppress
        from s3dlio_core import ClosedError, _ext, open_store
        from s3dlio_core.checksum import crc32
        if {kind!r} != "s3":
            store = open_store({f"{kind}://{tmp_path}"!r})
        out = bytearray(200_000)
        store.put("a", out)
        if {work in ("tensor", "op")}:
            import torch
            tensor = torch.zeros(200_000, dtype=torch.uint8)
        if {work == "op"}:
            from s3dlio_torch import ops
            ops.read_into(store, "a", tensor)  # what torch looks up at an op's first call is not in question here
        turns = threading.Semaphore(0)
        def run(index):
            while True:
                {DAEMON_WORK[work]}
                turns.release()
        for index in range(8):
            threading.Thread(target=run, args=(index,), daemon=True).start()
        for _ in range(20):
            turns.acquire()
        sys.exit(3)
    """
    for _ in range(1 if work in ("tensor", "op") else 3):
        done, _ = run(server, body)
        assert (done.returncode, done.stderr) == (3, ""), done.stderr


def test_ctrl_c_ends_a_waiting_op(server: FaultServer) -> None:
    pytest.importorskip("s3dlio_torch.ops", reason="built without torch", exc_type=ImportError)
    server.fault(times=None, stall_head=True)
    body = """
        import torch
        from s3dlio_torch import ops
        handle, out = ops.handle_of(store), torch.zeros(1 << 20, dtype=torch.uint8)
        for read in (
            lambda: ops.read_into(store, 'slow', out),
            lambda: ops.read_ranges(store, 'slow', [(0, 10)]),
            lambda: torch.ops.s3dlio.read_into(handle, 'slow', out, 0),
        ):
            try:
                print('waiting', flush=True)
                try:
                    read()
                except RuntimeError as error:  # a bare op: Python raises KeyboardInterrupt at its next step
                    print(repr(error), flush=True)
            except KeyboardInterrupt:
                print('interrupted', flush=True)
    """
    process = subprocess.Popen(program(server, body), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    seen = 0
    for _ in range(3):
        assert process.stdout.readline() == "waiting\n"
        wait_until(lambda seen=seen: len(server.requests) > seen)
        seen = len(server.requests)
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
    out, err = process.communicate(timeout=20)
    assert (out, err, process.returncode) == ("", "", 0)


def test_waiting_op_is_taken_back_at_exit(server: FaultServer) -> None:
    pytest.importorskip("s3dlio_torch.ops", reason="built without torch", exc_type=ImportError)
    server.fault(times=None, stall_head=True)
    body = """
        import sys, threading
        import torch
        from s3dlio_torch import ops
        out = torch.zeros(1 << 20, dtype=torch.uint8)
        threading.Thread(target=lambda: ops.read_into(store, 'slow', out), daemon=True).start()
        sys.stdin.readline()
        from s3dlio_core import _ext
        ended_in_time = _ext.shutdown(5.0)
        print(ended_in_time, flush=True)
        sys.exit(3)
    """
    process = subprocess.Popen(
        program(server, body), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_until(lambda: server.requests)
    began = time.monotonic()
    out, err = process.communicate("go\n", timeout=20)
    assert (out, err, process.returncode) == ("True\n", "", 3)
    assert time.monotonic() - began < 4, "the end waited for a call that nobody took back"


# ---- where it cannot work ----


def test_a_sub_interpreter_is_refused_and_the_main_one_works_on(tmp_path: Path) -> None:
    attempt = (
        "try:\n    import s3dlio_core\n"
        "except ImportError as error:\n    assert 'main interpreter' in str(error), error\n"
        "else:\n    raise AssertionError('imported')\n"
    )
    body = f"""
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        import s3dlio_core
        store = s3dlio_core.open_store({f"file://{tmp_path}"!r})
        for _ in range(2):
            other = interpreters.create()
            told = interpreters.run_string(other, {attempt!r})
            assert told is None, told
            interpreters.destroy(other)
            store.put("a", b"abc")
            assert store.get("a") == b"abc"
        print("ok")
    """
    command = [sys.executable, "-X", "dev", "-c", textwrap.dedent(body)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("ok\n", "", 0)


def test_no_thread_to_be_had_is_a_typed_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in a container whose pids are used up; and the next call tries again."""
    monkeypatch.setattr(service, "_thread", None)

    def refused(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        with pytest.raises(LocalIOError, match="can't start new thread") as caught:
            open_store(f"file://{tmp_path}/")
        assert caught.value.operation == "open"
    with open_store(f"file://{tmp_path}/") as store:
        store.put("a", b"abc")
    assert service._thread is not None
    assert service._thread.is_alive()


@pytest.mark.parametrize("kind", ["s3", "file"])
def test_no_thread_for_the_engine_is_a_typed_error(server: FaultServer, tmp_path: Path, kind: str) -> None:
    """The address space is too small for one more stack; when it is larger again, the same call works. (A file store
    works on the caller's thread where it must.)
    """
    (tmp_path / "a").write_bytes(b"abcd")
    server.put_object("data", "a", b"abcd")
    body = f"""
        import resource
        if {kind!r} == "file":
            store = s3dlio_core.open_store({f"file://{tmp_path}"!r})
        calls = [
            lambda: store.get("a"),
            lambda: [data for _, data in store.prefetch(["a"] * 3)],
            lambda: store.put("b", b"abc"),
            lambda: store.get_many_into(["a"], bytearray(4), [0, 4]),
            lambda: list(store.list()),
        ]
        with open("/proc/self/statm") as pages:
            taken = int(pages.read().split()[0]) * resource.getpagesize()
        unlimited = resource.RLIM_INFINITY
        for call in calls:
            resource.setrlimit(resource.RLIMIT_AS, (taken + (3 << 20), unlimited))
            try:
                call()
                assert {kind!r} == "file"
            except s3dlio_core.LocalIOError as error:
                assert "thread" in str(error), error
            finally:
                resource.setrlimit(resource.RLIMIT_AS, (unlimited, unlimited))
        for call in calls:
            call()
        print("ok")
    """
    done, _ = run(server, body)
    assert (done.stdout, done.stderr, done.returncode) == ("ok\n", "", 0)
