"""Generated data: exact, repeatable, different, with the asked dedup and zstd ratio. More in tests/csrc/datagen."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from s3dlio_core.datagen import Generator, generate_data, generate_into
from s3dlio_core.errors import InvalidArgumentError

LEVELS = (1, 3, 9, 19)


def zstd_ratio(data: Any, level: int) -> float:
    return len(data) / len(zstandard.ZstdCompressor(level=level).compress(bytes(data)))


@pytest.mark.parametrize("compress", [1.5, 2, 3, 5, 8, 20])
@pytest.mark.parametrize("size", [1000, 4096, 5000, 65_536, 300_001, 1 << 20])
def test_zstd_shrinks_as_asked_whatever_the_size(size: int, compress: float) -> None:
    data = generate_data(size, seed=5, compress=compress)
    for level in LEVELS:
        assert zstd_ratio(data, level) == pytest.approx(compress, rel=0.05), level


@pytest.mark.parametrize("size", [65_536, 4 << 20])
@pytest.mark.parametrize("compress", [50, 100])
def test_high_ratios_hold_for_larger_objects(size: int, compress: float) -> None:
    assert zstd_ratio(generate_data(size, seed=5, compress=compress), 3) == pytest.approx(compress, rel=0.05)


@pytest.mark.parametrize("block_size", [512, 65_536, 1 << 20])
def test_the_ratio_holds_for_other_block_sizes(block_size: int) -> None:
    data = generate_data(4 << 20, seed=5, compress=4, block_size=block_size)
    assert zstd_ratio(data, 3) == pytest.approx(4, rel=0.05)


@pytest.mark.parametrize("size", [1000, 4096, 300_001, 2 << 20])
def test_one_is_incompressible(size: int) -> None:
    for level in LEVELS:
        assert zstd_ratio(generate_data(size, seed=1), level) < 1.01


@pytest.mark.parametrize("compress", [1.0, 4.0])
def test_each_record_of_64_kib_shrinks_alike(compress: float) -> None:
    data = bytes(generate_data(1 << 20, seed=5, compress=compress))
    ratios = [zstd_ratio(data[at : at + 65_536], 3) for at in range(0, len(data), 65_536)]
    assert max(ratios) / min(ratios) < 1.05


@pytest.mark.parametrize(("blocks", "dedup"), [(100, 1), (100, 2), (100, 3), (7, 2), (1, 5), (64, 1.5)])
def test_dedup_counts_unique_blocks(blocks: int, dedup: float) -> None:
    generator = Generator(blocks * 4096, seed=1, dedup=dedup, compress=2)
    data = bytes(generate_data(blocks * 4096, seed=1, dedup=dedup, compress=2))
    unique = {data[at : at + 4096] for at in range(0, len(data), 4096)}
    assert len(unique) == max(1, int(blocks / dedup + 0.5)) == generator.unique_blocks


def test_dedup_and_compress_hold_together_beyond_the_window_of_zstd() -> None:
    # Level 3 sees 2 MiB back; equal blocks lie 8 MiB apart.
    data = generate_data(16 << 20, seed=2, dedup=2, compress=3)
    assert zstd_ratio(data, 3) == pytest.approx(3, rel=0.05)
    assert bytes(data[: 8 << 20]) == bytes(data[8 << 20 :])


def test_every_object_of_a_seed_is_different() -> None:
    objects = [bytes(generate_data(64, seed=3, index=index, compress=4)) for index in range(500)]
    assert len(set(objects)) == 500
    assert bytes(generate_data(64, seed=4, compress=4)) != objects[0]


def test_without_a_seed_one_is_drawn_and_told() -> None:
    first, second = Generator(100), Generator(100)
    assert first.seed != second.seed
    out = bytearray(100)
    first.fill_chunk(out)
    assert bytes(generate_data(100, seed=first.seed)) == out


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(0, 30_000),
    chunks=st.lists(st.integers(1, 9000), min_size=1, max_size=8),
    dedup=st.sampled_from([1.0, 2.0, 3.5]),
    compress=st.sampled_from([1.0, 1.7, 10.0]),
)
def test_chunks_make_the_whole(size: int, chunks: list[int], dedup: float, compress: float) -> None:
    whole = bytes(generate_data(size, seed=9, index=1, dedup=dedup, compress=compress))
    generator = Generator(size, seed=9, index=1, dedup=dedup, compress=compress)
    parts = []
    for chunk in itertools.cycle(chunks):
        out = bytearray(chunk)
        count = generator.fill_chunk(out)
        parts.append(bytes(out[:count]))
        if count < chunk:
            break
    assert b"".join(parts) == whole
    assert generator.fill_chunk(bytearray(10)) == 0


def test_chunks_iterates_to_the_end() -> None:
    chunks = [bytes(chunk) for chunk in Generator(10_000, seed=1).chunks(4096)]
    assert [len(chunk) for chunk in chunks] == [4096, 4096, 1808]
    assert b"".join(chunks) == bytes(generate_data(10_000, seed=1))


def test_generate_into_fills_any_memory() -> None:
    array = memoryview(bytearray(64)).cast("i")
    assert generate_into(array, seed=6) == 64
    assert bytes(array) == bytes(generate_data(64, seed=6))


def test_generate_into_fills_a_tensor() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.zeros(100, dtype=torch.int32)
    assert generate_into(tensor, seed=6) == 400
    assert tensor.numpy().tobytes() == bytes(generate_data(400, seed=6))


@pytest.mark.parametrize(
    "wrong",
    [{"dedup": 0.5}, {"compress": 0}, {"compress": float("nan")}, {"dedup": float("inf")}, {"block_size": 100}],
)
def test_wrong_arguments_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
        Generator(100, **wrong)


@pytest.mark.parametrize("wrong", [{"size": -1}, {"seed": -1}, {"seed": 2**64}, {"index": -1}])
def test_integers_out_of_bounds_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Generator(**{"size": 10, **wrong})


def test_bytes_past_the_end_and_read_only_memory_are_refused() -> None:
    generator = Generator(100, seed=1)
    for offset, size in ((0, 101), (100, 1), (2**63, 1)):
        with pytest.raises(InvalidArgumentError):
            generator.fill(offset, bytearray(size))
    with pytest.raises(InvalidArgumentError):
        generator.fill(0, bytes(10))
    with pytest.raises(ValueError, match="chunk_size"):
        next(generator.chunks(0))
