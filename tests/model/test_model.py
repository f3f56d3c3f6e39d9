"""Random operations under random faults against a dict: every answer equals the model's or is a typed error.

After a write that ended in an error the store may hold the old or the new state (the answer may have been lost),
so the model keeps both until a read tells.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from servers.access import QUICK, credentials_of
from servers.content import MIB, content
from servers.fault_server import FaultServer
from servers.guarded import Guarded

from s3dlio_core import (
    ObjectExistsError,
    ObjectNotFoundError,
    PreconditionError,
    RangeNotSatisfiableError,
    StorageError,
    Tuning,
    open_store,
)

POOL = content(12 * MIB, seed=40)
KEYS = ["a", "b", "dir/a", "dir/ü b", "z%20+"]
SIZES = st.one_of(st.integers(0, 10), st.integers(0, 70_000), st.sampled_from([5 * MIB + 3, 11 * MIB]))
TUNING = {**QUICK, "part_size": 5 * MIB, "multipart_threshold": 6 * MIB, "sync_writes": False}
TUNING |= {"stall_window_seconds": 1.0, "max_attempts": 4}

FAULTS: list[dict[str, Any]] = [
    {"status": 500, "code": "InternalError"},
    {"status": 503, "code": "SlowDown"},
    {"cut_at": 0, "end": "rst"},
    {"cut_at": 3, "end": "fin"},
    {"cut_at": 40_000, "end": "rst"},
    {"cut_at": 2 * MIB, "end": "fin"},
    {"cut_head_at": 30},
    {"lose_answer": True, "end": "fin"},
    {"lose_answer": True, "end": "rst", "not_done": True},
    {"end_after_request_bytes": 0, "end": "rst"},
    {"surplus": b"surplus" * 10},
    {"end_after": True},
    {"headers": {"Content-Length": "1"}},
    {"more_headers": (("Content-Length", "7"),)},
    {"status": 403, "code": "AccessDenied"},
    {"status": 412, "code": "PreconditionFailed"},
]
# A flipped byte can be noticed where the whole object's checksum is at hand; documents have none.
READ_FAULTS: list[dict[str, Any]] = [
    {"corrupt_at": 0, "when": lambda request: request.range is None},
    {"whole_object": True},
    {"headers": {"Content-Range": "bytes 1-2/3"}},
    {"headers": {"ETag": '"another"'}},
    {"surplus": b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nETag: x\r\n\r\nEVIL"},
    {"chunked": True},
]
UPLOAD = ("create_upload", "upload_part", "complete_upload", "abort_upload")
DOCUMENTS = ("list", "head", "copy", "delete")

MISSING = None
State = bytes | None


class Model(RuleBasedStateMachine):
    """The store under test is set by the subclass in open()."""

    def __init__(self) -> None:
        super().__init__()
        self.possible: dict[str, set[State]] = {key: {MISSING} for key in KEYS}
        self.faulty = False
        self.open()

    def open(self) -> None:
        raise NotImplementedError

    def inject(self, fault: dict[str, Any], operation: str, times: int) -> None:
        raise NotImplementedError

    # ---- the model ----
    def known(self, key: str) -> bool:
        return len(self.possible[key]) == 1

    def wrote(self, key: str, state: State) -> None:
        self.possible[key] = {state}

    def maybe_wrote(self, key: str, state: State) -> None:
        self.possible[key] = self.possible[key] | {state}

    def saw(self, key: str, state: State) -> None:
        assert state in self.possible[key], (
            f"{key}: {describe(state)} is none of {sorted(map(describe, self.possible[key]))}"
        )
        self.possible[key] = {state}

    def write(self, key: str, state: State, call: Any) -> None:
        try:
            call()
        except StorageError:
            assert self.faulty, "an error without a fault"
            self.maybe_wrote(key, state)
        else:
            self.wrote(key, state)

    def read(self, key: str, call: Any, slice_: slice = slice(None)) -> None:
        """`call` gives a part of the object's bytes."""
        try:
            got = call()
        except ObjectNotFoundError:
            self.saw(key, MISSING)
        except (StorageError, RangeNotSatisfiableError):
            assert self.faulty, "an error without a fault"
        else:
            matching = {state for state in self.possible[key] if state is not None and state[slice_] == got}
            assert matching, f"{key}: {describe(got)} is no such part of {self.described(key)}"
            self.possible[key] = matching

    def described(self, key: str) -> list[str]:
        return sorted(map(describe, self.possible[key]))

    # ---- rules ----
    @initialize(at=st.integers(0, 1000), sizes=st.tuples(*[SIZES] * 3))
    def fill(self, at: int, sizes: tuple[int, ...]) -> None:
        for key, size in zip(KEYS, sizes, strict=False):
            self.put(key, size, at)

    @rule(key=st.sampled_from(KEYS), size=SIZES, at=st.integers(0, 1000))
    def put(self, key: str, size: int, at: int) -> None:
        data = POOL[at : at + size]
        self.write(key, data, lambda: self.store.put(key, data))

    @rule(key=st.sampled_from(KEYS), sizes=st.lists(SIZES, max_size=3), at=st.integers(0, 1000))
    def write_in_pieces(self, key: str, sizes: list[int], at: int) -> None:
        pieces = [POOL[at : at + min(size, 6 * MIB)] for size in sizes]

        def call() -> None:
            with self.store.open_writer(key) as writer:
                for piece in pieces:
                    writer.write(piece)

        self.write(key, b"".join(pieces), call)

    @rule(key=st.sampled_from(KEYS), size=st.integers(0, 6 * MIB + 7))
    def abandoned_writer(self, key: str, size: int) -> None:
        class Mine(Exception):
            pass

        try:
            with self.store.open_writer(key) as writer:
                writer.write(POOL[:size])
                raise Mine
        except Mine:
            pass
        except StorageError:
            assert self.faulty, "an error without a fault"

    @rule(key=st.sampled_from(KEYS), size=SIZES)
    def create(self, key: str, size: int) -> None:
        data = POOL[7 : 7 + size]
        try:
            self.store.put(key, data, if_none_match=True)
        except ObjectExistsError:
            if self.faulty:  # an answer may have been lost, or the refusal made up
                self.maybe_wrote(key, data)
            else:
                assert self.possible[key] != {MISSING}, "refused though nothing was there"
                self.possible[key] = self.possible[key] - {MISSING}
        except StorageError:
            assert self.faulty, "an error without a fault"
            if MISSING in self.possible[key]:
                self.maybe_wrote(key, data)
        else:
            assert MISSING in self.possible[key], "created over an existing object"
            self.wrote(key, data)

    @rule(key=st.sampled_from(KEYS), size=SIZES, right=st.booleans())
    def replace(self, key: str, size: int, right: bool) -> None:
        data = POOL[9 : 9 + size]
        try:
            etag = self.store.head(key).etag if right else '"0123456789abcdef0123456789abcdef"'
            self.store.put(key, data, if_match=etag)
        except (ObjectNotFoundError, PreconditionError):
            if right:
                assert self.faulty or MISSING in self.possible[key]
            if self.faulty and right:
                self.maybe_wrote(key, data)
        except StorageError:
            assert self.faulty, "an error without a fault"
            if right:
                self.maybe_wrote(key, data)
        else:
            assert right
            self.wrote(key, data)

    @rule(key=st.sampled_from(KEYS))
    def delete(self, key: str) -> None:
        self.write(key, MISSING, lambda: self.store.delete(key))

    @rule(key=st.sampled_from(KEYS), to=st.sampled_from(KEYS))
    def copy(self, key: str, to: str) -> None:
        if not self.known(key) or key == to:
            return
        (state,) = self.possible[key]
        try:
            self.store.copy(key, to)
        except ObjectNotFoundError:
            assert state is MISSING or self.faulty
        except StorageError:
            assert self.faulty, "an error without a fault"
            if state is not MISSING:
                self.maybe_wrote(to, state)
        else:
            assert state is not MISSING
            self.wrote(to, state)

    @rule(key=st.sampled_from(KEYS))
    def get(self, key: str) -> None:
        self.read(key, lambda: bytes(self.store.get(key)))

    @rule(key=st.sampled_from(KEYS), start=st.integers(0, 80_000), size=st.integers(1, 80_000))
    def get_range(self, key: str, start: int, size: int) -> None:
        if not any(state is not None and len(state) > start for state in self.possible[key]):
            return
        try:
            got = bytes(self.store.get_range(key, start=start, end=start + size))
        except ObjectNotFoundError:
            self.saw(key, MISSING)
        except RangeNotSatisfiableError:
            self.possible[key] = {s for s in self.possible[key] if s is not None and len(s) <= start} or self.fail()
        except StorageError:
            assert self.faulty, "an error without a fault"
        else:
            self.possible[key] = {
                s for s in self.possible[key] if s is not None and len(s) > start and s[start : start + size] == got
            } or self.fail()

    def fail(self) -> set[State]:
        raise AssertionError("no state of the model explains the answer")

    @rule(key=st.sampled_from(KEYS), extra=st.integers(0, 5000), misalign=st.integers(0, 600))
    def get_into(self, key: str, extra: int, misalign: int) -> None:
        largest = max((len(s) for s in self.possible[key] if s is not None), default=100)
        guarded = Guarded(largest + extra, misalign=misalign)

        def call() -> bytes:
            count = self.store.get_into(key, guarded.view)
            assert bytes(guarded)[count:] == b"\xee" * (largest + extra - count), "more was written than counted"
            return bytes(guarded)[:count]

        self.read(key, call)
        guarded.check()

    @rule(key=st.sampled_from(KEYS), cuts=st.lists(st.integers(0, 60_000), min_size=2, max_size=6))
    def get_ranges(self, key: str, cuts: list[int]) -> None:
        ranges = [(start, start + 1 + (end % 5000)) for start, end in itertools.pairwise(cuts)]
        states = [s for s in self.possible[key] if s is not None]
        if not states or any(start >= len(s) for s in states for start, _ in ranges):
            return
        guards = [Guarded(end - start) for start, end in ranges]
        try:
            views = self.store.get_ranges(key, ranges, out=[guard.view for guard in guards])
        except ObjectNotFoundError:
            self.saw(key, MISSING)
        except StorageError:
            assert self.faulty, "an error without a fault"
        else:
            got = [bytes(view) for view in views]
            self.possible[key] = {s for s in states if [s[start:end] for start, end in ranges] == got} or self.fail()
        for guard in guards:
            guard.check()

    @rule(key=st.sampled_from(KEYS))
    def head(self, key: str) -> None:
        try:
            size = self.store.head(key).size
        except ObjectNotFoundError:
            self.saw(key, MISSING)
        except StorageError:
            assert self.faulty, "an error without a fault"
        else:
            self.possible[key] = {s for s in self.possible[key] if s is not None and len(s) == size} or self.fail()

    @rule(prefix=st.sampled_from(["", "dir/", "a", "z"]))
    def list(self, prefix: str) -> None:
        try:
            listed = {meta.key: meta.size for meta in self.store.list(prefix)}
        except StorageError:
            assert self.faulty, "an error without a fault"
            return
        for key in KEYS:
            if key.startswith(prefix):
                if key in listed:
                    sizes = {s for s in self.possible[key] if s is not None and len(s) == listed[key]}
                else:
                    sizes = self.possible[key] & {MISSING}
                self.possible[key] = sizes or self.fail()
        assert set(listed) <= set(KEYS)

    @rule(keys=st.lists(st.sampled_from(KEYS), max_size=6), in_order=st.booleans())
    def prefetch(self, keys: list[str], in_order: bool) -> None:
        if not all(self.known(key) and self.possible[key] != {MISSING} for key in keys):
            return
        seen = []
        with self.store.prefetch(keys, in_order=in_order, window_requests=3) as stream:
            try:
                for index, data in stream:
                    seen.append(index)
                    assert self.possible[keys[index]] == {bytes(data)}
            except StorageError:
                assert self.faulty, "an error without a fault"
                return
        assert sorted(seen) == list(range(len(keys)))
        assert not in_order or seen == sorted(seen)

    # Several rules, so that hypothesis comes to them often: a fault that meets no request tests nothing.
    @rule(fault=st.sampled_from(FAULTS + READ_FAULTS), times=st.integers(1, 6))
    def break_reads(self, fault: dict[str, Any], times: int) -> None:
        self.inject(fault, "get", times)

    @rule(fault=st.sampled_from(FAULTS + READ_FAULTS), times=st.integers(1, 2))
    def break_a_read(self, fault: dict[str, Any], times: int) -> None:
        self.inject(fault, "get", times)

    @rule(fault=st.sampled_from(FAULTS), times=st.integers(1, 6))
    def break_puts(self, fault: dict[str, Any], times: int) -> None:
        self.inject(fault, "put", times)

    @rule(fault=st.sampled_from(FAULTS), operation=st.sampled_from(UPLOAD), times=st.integers(1, 6))
    def break_uploads(self, fault: dict[str, Any], operation: str, times: int) -> None:
        self.inject(fault, operation, times)

    @rule(fault=st.sampled_from(FAULTS), operation=st.sampled_from(DOCUMENTS), times=st.integers(1, 6))
    def break_documents(self, fault: dict[str, Any], operation: str, times: int) -> None:
        if operation == "head" and "Content-Length" in fault.get("headers", {}):
            return  # it has no body to count: a length that is not the object's is what no client can notice
        self.inject(fault, operation, times)

    @rule(really=st.booleans())
    def heal(self, really: bool) -> None:
        if really:
            self.mend()

    def mend(self) -> None:
        raise NotImplementedError

    @invariant()
    def model_is_possible(self) -> None:
        assert all(self.possible.values())

    def finish(self) -> None:
        """Without faults every key is readable and is what the model says."""
        self.mend()
        for key in KEYS:
            self.read(key, lambda key=key: bytes(self.store.get(key)))
            assert self.known(key)


def describe(state: State) -> str:
    return "nothing" if state is None else f"{len(state)} bytes {state[:8].hex()}"


class OverFaultServer(Model):
    def open(self) -> None:
        self.server = FaultServer()
        self.server.objects.buckets["data"] = {}
        self.store = open_store("s3://data/", tuning=Tuning(**TUNING), **credentials_of(self.server))

    def inject(self, fault: dict[str, Any], operation: str, times: int) -> None:
        self.faulty = True
        self.server.fault(operation, times=times, **fault)

    def mend(self) -> None:
        self.server.heal()
        self.faulty = False

    @invariant()
    def nothing_is_under_way(self) -> None:
        """Between calls nothing is left running: no request is being answered that could still write somewhere."""
        assert self.server.quiet(within_seconds=5)

    def teardown(self) -> None:
        try:
            self.finish()
        finally:
            self.store.close()
            self.server.close()


class OverFiles(Model):
    scheme = "file"

    def open(self) -> None:
        self.folder = tempfile.mkdtemp()
        self.store = open_store(f"{self.scheme}://{self.folder}", tuning=Tuning(**TUNING))

    def inject(self, fault: dict[str, Any], operation: str, times: int) -> None:
        pass

    def mend(self) -> None:
        pass

    def teardown(self) -> None:
        try:
            self.finish()
        finally:
            self.store.close()
            shutil.rmtree(self.folder)


class OverDirectFiles(OverFiles):
    scheme = "direct"


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("machine", "examples"), [(OverFaultServer, 40), (OverFiles, 60), (OverDirectFiles, 40)])
def test_store_equals_a_dict(machine: type[Model], examples: int) -> None:
    chosen = settings(
        max_examples=examples, stateful_step_count=30, deadline=None, print_blob=True,
        suppress_health_check=list(HealthCheck), derandomize=False,
    )  # fmt: skip
    run_state_machine_as_test(machine, settings=chosen)  # type: ignore[no-untyped-call]
