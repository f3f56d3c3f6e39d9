"""torch.ops.s3dlio: the same bytes as the store gives, declared mutation, fake kernels, typed errors."""

from __future__ import annotations

import gc
import multiprocessing
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers.content import MIB, content
from servers.fault_server import FaultServer

from s3dlio_core import (
    ClosedError,
    InvalidArgumentError,
    NoSpaceError,
    ObjectNotFoundError,
    RangeNotSatisfiableError,
    ServerError,
    Store,
    open_store,
)

ops = pytest.importorskip("s3dlio_torch.ops", reason="built without torch", exc_type=ImportError)

DATA = content(3 * MIB + 17, seed=41)


@pytest.fixture(params=["s3", "file", "direct"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "s3":
        server: FaultServer = request.getfixturevalue("fault_server")
        opened = request.getfixturevalue("store_on")(server, prefix="below/")
    else:
        opened = open_store(f"{request.param}://{tmp_path}/root/")
    opened.put("a", DATA)
    yield opened
    opened.close()


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"file://{tmp_path}/local/") as opened:
        opened.put("a", DATA)
        yield opened


def as_bytes(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().view(torch.uint8).numpy().tobytes()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bfloat16, torch.float32, torch.int64])
def test_read_into(store: Store, dtype: torch.dtype) -> None:
    out = torch.zeros(1024, dtype=dtype).reshape(4, 256)
    size = out.nbytes
    assert ops.read_into(store, "a", out) is out
    assert as_bytes(out) == DATA[:size]
    ops.read_into(ops.handle_of(store), "a", out, offset=1001)
    assert as_bytes(out) == DATA[1001 : 1001 + size]


def test_read_into_rows(store: Store) -> None:
    table = torch.zeros(5, 1000, dtype=torch.uint8)
    ops.read_into(store, "a", table[3], offset=500)
    assert as_bytes(table[3]) == DATA[500:1500]
    assert int(table[[0, 1, 2, 4]].sum()) == 0


def test_read_ranges(store: Store) -> None:
    ranges = [(2 * MIB, 3 * MIB), (0, 10), (5, 15), (3 * MIB + 16, 3 * MIB + 17)]
    got = ops.read_ranges(store, "a", ranges, pin_memory=True)
    assert [as_bytes(piece) for piece in got] == [DATA[start:end] for start, end in ranges]
    assert len({piece.untyped_storage().data_ptr() for piece in got}) == 1
    assert ops.read_ranges(store, "a", []) == []


def test_read_file_direct(tmp_path: Path) -> None:
    (tmp_path / "f.bin").write_bytes(DATA)
    (tmp_path / "link").symlink_to(tmp_path / "f.bin")
    out = torch.zeros(len(DATA) - 5, dtype=torch.uint8)
    for path in ("f.bin", "link"):
        out.zero_()
        ops.read_file_direct(str(tmp_path / path), out, offset=5)
        assert as_bytes(out) == DATA[5:]
    with pytest.raises(ObjectNotFoundError) as caught:
        ops.read_file_direct(str(tmp_path / "none"), out)
    assert caught.value.uri == f"direct://{tmp_path}/none"
    with pytest.raises(RangeNotSatisfiableError):
        ops.read_file_direct(str(tmp_path / "f.bin"), out, offset=6)


def test_staged_way_gives_the_same(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an accelerator's tensor goes through, here without pinning: chunks of 16 MiB, several at once."""
    monkeypatch.setenv("S3DLIO_TORCH_FORCE_STAGING", "1")
    whole = content(50 * MIB + 8, seed=42)
    store.put("big", whole)
    out = torch.zeros((50 * MIB + 8) // 8, dtype=torch.float64)
    ops.read_into(store, "big", out)
    assert as_bytes(out) == whole
    with pytest.raises(RangeNotSatisfiableError):
        ops.read_into(store, "big", out, offset=1)
    with pytest.raises(ObjectNotFoundError):
        ops.read_into(store, "none", out)


# ---- errors ----


def test_errors_are_those_of_the_store(store: Store) -> None:
    out = torch.zeros(100, dtype=torch.uint8)
    with pytest.raises(ObjectNotFoundError) as caught:
        ops.read_into(store, "none", out)
    assert caught.value.uri == store.uri_of("none")
    assert caught.value.operation == "read_into"
    with pytest.raises(RuntimeError, match="none"):
        torch.ops.s3dlio.read_into(ops.handle_of(store), "none", out, 0)
    with pytest.raises(RangeNotSatisfiableError, match=f"{len(DATA)} bytes"):
        ops.read_into(store, "a", out, offset=len(DATA) - 99)
    with pytest.raises(RangeNotSatisfiableError):
        ops.read_ranges(store, "a", [(0, 5), (len(DATA) - 5, len(DATA) + 5)])
    with pytest.raises(InvalidArgumentError, match=r"\[5, 5\)"):
        ops.read_ranges(store, "a", [(5, 5)])
    with pytest.raises(InvalidArgumentError, match="offset is -1"):
        ops.read_into(store, "a", out, offset=-1)


def test_destinations_that_are_refused(local: Store) -> None:
    with pytest.raises(InvalidArgumentError, match="contiguous"):
        ops.read_into(local, "a", torch.zeros(10, 10)[:, 3])
    weight = torch.zeros(10, requires_grad=True)
    with pytest.raises(InvalidArgumentError, match="no_grad"):
        ops.read_into(local, "a", weight)
    with torch.no_grad():
        ops.read_into(local, "a", weight)
    assert as_bytes(weight.detach()) == DATA[:40]


def test_server_that_fails(fault_server: FaultServer, store_on) -> None:
    store = store_on(fault_server, tuning={"max_attempts": 2})
    fault_server.put_object("data", "a", DATA)
    fault_server.close()
    out = torch.zeros(100, dtype=torch.uint8)
    with pytest.raises((ServerError, ConnectionError)) as caught:
        ops.read_into(store, "a", out)
    assert caught.value.attempts >= 1


def test_handle_lives_as_long_as_its_store(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}")
    store.put("a", DATA)
    handle = ops.handle_of(store)
    assert ops.handle_of(store) == handle
    out = torch.zeros(5, dtype=torch.uint8)
    ops.read_into(handle, "a", out)
    del store
    gc.collect()
    with pytest.raises(ClosedError, match=str(handle)):
        ops.read_into(handle, "a", out)
    with pytest.raises(ClosedError):
        ops.read_into(10**9, "a", out)
    with open_store(f"file://{tmp_path}") as closed:
        pass
    with pytest.raises(ClosedError):
        ops.handle_of(closed)


def _in_child(handle: int, path: str, queue: multiprocessing.Queue) -> None:
    out = torch.zeros(5, dtype=torch.uint8)
    try:
        ops.read_into(handle, "a", out)
        queue.put("read")
    except ClosedError as error:
        with open_store(path) as store:
            ops.read_into(store, "a", out)
            queue.put((str(error), as_bytes(out), ops.handle_of(store) > handle))


def test_forked_child_asks_anew(local: Store) -> None:
    handle = ops.handle_of(local)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_child, args=(handle, local.uri, queue))
    child.start()
    message, data, grows = queue.get(timeout=60)
    child.join(60)
    assert "fork" in message
    assert data == DATA[:5]
    assert grows


def test_an_old_error_is_not_raised_for_another_object(store: Store) -> None:
    """The engine keeps the last error of the thread, which nobody took where a bare op failed and was caught."""
    out = torch.zeros(100, dtype=torch.uint8)
    with pytest.raises(RuntimeError, match="old"):
        torch.ops.s3dlio.read_into(ops.handle_of(store), "old", out, 0)
    with pytest.raises(RuntimeError) as caught:
        ops.read_into(store, "a", "no tensor")
    assert not isinstance(caught.value, ObjectNotFoundError)
    assert "old" not in str(caught.value)


EDGES = [-(2**63), -1, 0, 1, 999, 2**31, 2**32, 2**62, 2**63 - 200, 2**63 - 1]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ranges=st.lists(st.tuples(st.sampled_from(EDGES), st.sampled_from(EDGES)), max_size=4))
def test_numbers_at_the_edge(local: Store, ranges: list[tuple[int, int]]) -> None:
    """Right bytes or an error of ours, and no crash; ends of 2**63 - 1 twice have a sum of -2 in 64 bits."""
    handle = ops.handle_of(local)
    total = sum(max(end - start, 0) for start, end in ranges)
    if 2**20 < total < 2**46:
        return  # memory that this machine might really have
    try:
        got = [as_bytes(piece) for piece in ops.read_ranges(handle, "a", ranges)]
    except (InvalidArgumentError, NoSpaceError, RangeNotSatisfiableError):
        assert any(end <= start or start < 0 or end > len(DATA) for start, end in ranges)
    else:
        assert got == [DATA[start:end] for start, end in ranges]
    for start, _ in ranges:
        try:
            ops.read_into(handle, "a", torch.zeros(10, dtype=torch.uint8), offset=start)
        except (InvalidArgumentError, RangeNotSatisfiableError):
            assert not 0 <= start <= len(DATA) - 10


def test_ends_whose_sum_wraps_round(local: Store) -> None:
    most = 2**63 - 1
    for starts, ends in (([0, 0], [most, most]), ([0, 0, 0], [most, most, 100]), ([0], [most])):
        with pytest.raises((InvalidArgumentError, NoSpaceError), match=r"together|no memory"):
            ops.read_ranges(local, "a", list(zip(starts, ends, strict=True)))
        with pytest.raises(RuntimeError, match=r"together|no memory"):
            torch.ops.s3dlio.read_ranges(ops.handle_of(local), "a", starts, ends, False)


# ---- what torch sees ----


def test_version_counter(local: Store) -> None:
    out = torch.zeros(8)
    before = out._version
    ops.read_into(local, "a", out)
    assert out._version == before + 1
    weight = torch.ones(8, requires_grad=True)
    product = (weight * out).sum()
    ops.read_into(local, "a", out)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        product.backward()


def test_version_counter_goes_up_by_one_however_it_is_read(local: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """On an accelerator the op copies into parts of `out`, which are changes of their own to torch."""
    monkeypatch.setenv("S3DLIO_TORCH_FORCE_STAGING", "1")
    local.put("big", content(40 * MIB, seed=43))
    for size in (64, 40 * MIB):  # one chunk, and three
        out = torch.zeros(size, dtype=torch.uint8)
        before = out._version
        ops.read_into(local, "big", out)
        assert out._version == before + 1


def test_opcheck(local: Store, tmp_path: Path) -> None:
    handle = ops.handle_of(local)
    out = torch.zeros(100, dtype=torch.uint8)
    torch.library.opcheck(torch.ops.s3dlio.read_into.default, (handle, "a", out, 3))
    torch.library.opcheck(torch.ops.s3dlio.read_ranges.default, (handle, "a", [0, 100], [10, 300]))
    path = str(tmp_path / "local" / "a")
    torch.library.opcheck(torch.ops.s3dlio.read_file_direct.default, (path, out, 7))


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_compile(local: Store, backend: str) -> None:
    handle = ops.handle_of(local)

    def load(scale: torch.Tensor) -> torch.Tensor:
        raw = torch.ops.s3dlio.read_ranges(handle, "a", [0, 8000], [4000, 12_000])
        out = torch.zeros(1000, dtype=torch.int32)
        torch.ops.s3dlio.read_into(handle, "a", out, 400)
        return (raw.view(torch.int32)[:1000] ^ out) * scale

    torch.compiler.reset()
    compiled = torch.compile(load, fullgraph=True, backend=backend)
    scale = torch.tensor(3, dtype=torch.int32)
    expected = load(scale)
    assert torch.equal(compiled(scale), expected)
    assert torch.equal(compiled(scale + 1), load(scale + 1))
    one = torch.frombuffer(bytearray(DATA[:4000]), dtype=torch.int32)
    two = torch.frombuffer(bytearray(DATA[400:4400]), dtype=torch.int32)
    assert torch.equal(expected, (one ^ two) * 3)


def test_compiled_wrappers(local: Store) -> None:
    handle = ops.handle_of(local)

    def load(out: torch.Tensor) -> torch.Tensor:
        first, second = ops.read_ranges(handle, "a", [(0, 100), (50, 150)])
        return ops.read_into(handle, "a", out) + first + second

    torch.compiler.reset()
    compiled = torch.compile(load, fullgraph=True, backend="aot_eager")
    out, twin = torch.zeros(100, dtype=torch.uint8), torch.zeros(100, dtype=torch.uint8)
    assert torch.equal(compiled(out), load(twin))
    assert torch.equal(out, twin), "the compiled op did not write to its destination"


def test_fake_kernels(local: Store) -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        got = torch.ops.s3dlio.read_ranges(1, "none", [0, 10], [5, 30])
        assert got.shape == (25,)
        assert got.dtype is torch.uint8
        torch.ops.s3dlio.read_into(1, "none", torch.empty(5))
    torch.ops.s3dlio.read_into(1, "none", torch.empty(5, device="meta"))


def test_others_run_meanwhile(fault_server: FaultServer, store_on) -> None:
    """The GIL is let go while an op waits: the server it waits for is Python, in this process."""
    fault_server.put_object("data", "a", DATA)
    store = store_on(fault_server)
    out = torch.zeros(len(DATA), dtype=torch.uint8)
    thread = threading.Thread(target=ops.read_into, args=(store, "a", out))
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    assert as_bytes(out) == DATA


def test_says_what_is_missing() -> None:
    code = (
        "import importlib.util as u, sys\n"
        "real = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 's3dlio_torch._ops' else real(name, *rest)\n"
        "import s3dlio_torch\n"
        "try:\n"
        "    import s3dlio_torch.ops\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=100)
    assert "_ops.so" in done.stdout
