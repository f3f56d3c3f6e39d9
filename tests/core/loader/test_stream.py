"""A stream of samples: what is asked for, what counts as read, and how it ends."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import pytest

import s3dlio_core
from s3dlio_core import open_store
from s3dlio_core.loader import EpochId, Layout, LoaderOptions, ObjectManifest, Progress, SampleStream, State

COUNT = 300


@pytest.fixture
def manifest(tmp_path: Path) -> ObjectManifest:
    for index in range(COUNT):
        (tmp_path / f"{index:07d}").write_bytes(index.to_bytes(2, "little"))
    store = open_store(f"file://{tmp_path}/")
    return ObjectManifest.of(store, ((f"{index:07d}", 2) for index in range(COUNT)))


def start_of(manifest: ObjectManifest, layout: Layout | None = None, **more: Any) -> State:
    return State(EpochId(len(manifest), manifest.digest), Progress(len(manifest)), layout or Layout(), **more)


def read(stream: SampleStream) -> list[int]:
    samples = []
    for ticket, sample, data in stream:
        assert data is not None
        assert int.from_bytes(bytes(data), "little") == sample
        samples.append(sample)
        stream.tracker.done(ticket)
    return samples


def test_a_share_is_read_in_order_and_the_stream_ends_for_good(manifest: ObjectManifest) -> None:
    stream = SampleStream(manifest, start_of(manifest, Layout(1, 3)), LoaderOptions())
    assert read(stream) == list(range(1, COUNT, 3))
    assert next(stream, None) is None
    stream.close()


def test_samples_ahead_are_not_read_again(manifest: ObjectManifest) -> None:
    state = start_of(manifest, done=290, ahead=(292, 297))
    stream = SampleStream(manifest, state, LoaderOptions(in_order=False))
    assert sorted(read(stream)) == [290, 291, 293, 294, 295, 296, 298, 299]
    assert (stream.tracker.state().done, stream.tracker.state().ahead) == (COUNT, ())


def test_what_was_only_fetched_ahead_is_in_no_state(manifest: ObjectManifest) -> None:
    stream = SampleStream(manifest, start_of(manifest), LoaderOptions())
    first = next(stream)
    second = next(stream)
    assert stream.tracker.state().done == 0
    stream.tracker.done(second.ticket)
    assert (stream.tracker.state().done, stream.tracker.state().ahead) == (0, (1,))
    stream.tracker.done(first.ticket)
    assert (stream.tracker.state().done, stream.tracker.state().ahead) == (2, ())
    stream.close()


def test_a_closed_stream_gives_nothing_more(manifest: ObjectManifest) -> None:
    with SampleStream(manifest, start_of(manifest), LoaderOptions()) as stream:
        next(stream)
    assert next(stream, None) is None


def test_an_empty_share_asks_nothing_of_the_store(manifest: ObjectManifest) -> None:
    gone = ObjectManifest.of(open_store("s3://nowhere/", endpoint_url="http://127.0.0.1:9"), [])
    assert read(SampleStream(gone, start_of(gone), LoaderOptions())) == []
    assert read(SampleStream(manifest, start_of(manifest, Layout(0, 1), done=COUNT), LoaderOptions())) == []


def test_a_failure_ends_the_stream_and_stays(manifest: ObjectManifest, tmp_path: Path) -> None:
    (tmp_path / "0000002").unlink()
    stream = SampleStream(manifest, start_of(manifest), LoaderOptions())
    assert [next(stream).sample for _ in range(2)] == [0, 1]
    for _ in range(2):
        with pytest.raises(s3dlio_core.ObjectNotFoundError, match="0000002"):
            next(stream)


def test_an_object_of_another_size_is_refused(manifest: ObjectManifest, tmp_path: Path) -> None:
    (tmp_path / "0000000").write_bytes(b"longer")
    with pytest.raises(s3dlio_core.PreconditionError, match=r"0000000.*expected 2"):
        next(SampleStream(manifest, start_of(manifest), LoaderOptions()))


def test_an_engine_that_gives_up_does_not_end_an_epoch_early(manifest: ObjectManifest) -> None:
    stream = SampleStream(manifest, start_of(manifest), LoaderOptions(window_requests=4))
    next(stream)
    assert stream._prefetch is not None
    stream._prefetch.close()  # as at the interpreter's end
    with pytest.raises(s3dlio_core.TransferCancelledError, match="samples outstanding"):
        read(stream)


def test_a_million_samples_are_streamed_without_a_list(manifest: ObjectManifest) -> None:
    many = ObjectManifest.of(manifest.store, ((f"{index:07d}", 2) for index in range(1_000_000)))
    id_ = EpochId(1_000_000, many.digest)
    tracemalloc.start()
    try:
        stream = SampleStream(many, State(id_, Progress(1_000_000), Layout()), LoaderOptions(window_requests=8))
        for expected in range(100):
            assert next(stream).sample == expected
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
        stream.close()
    finally:
        tracemalloc.stop()
