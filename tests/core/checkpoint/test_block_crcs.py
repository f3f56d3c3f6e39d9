"""Checksums of a payload do not depend on the pieces it came in."""

from __future__ import annotations

import itertools
import zlib

from hypothesis import given
from hypothesis import strategies as st

from s3dlio_core.checkpoint.block_crcs import BlockCrcs


@given(st.binary(max_size=300), st.lists(st.integers(0, 300)), st.integers(1, 64))
def test_any_pieces(data: bytes, cuts: list[int], block_size: int) -> None:
    crcs = BlockCrcs(block_size)
    borders = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, end in itertools.pairwise(borders):
        crcs.update(memoryview(data)[start:end])
    blocks = [data[at : at + block_size] for at in range(0, len(data), block_size)]
    assert crcs.blocks() == b"".join(zlib.crc32(block).to_bytes(4, "little") for block in blocks)
    assert crcs.whole() == zlib.crc32(data)
