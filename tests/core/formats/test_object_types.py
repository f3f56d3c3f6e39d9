"""Each form is read back by somebody else's reader."""

from __future__ import annotations

import io
import struct

import google_crc32c
import numpy as np
import pytest

from s3dlio_core import _ext
from s3dlio_core.datagen import generate_data
from s3dlio_core.formats.object_types import OBJECT_TYPES, encode


@pytest.mark.parametrize("size", [0, 1, 1000, 3 << 20])
def test_npz_loads_with_its_full_shape(size: int) -> None:
    payload = generate_data(size, seed=1)
    with np.load(io.BytesIO(encode("NPZ", payload))) as archive:
        assert archive.files == ["data"]
        array = archive["data"]
    assert (array.dtype, array.shape) == (np.uint8, (size,))
    assert array.tobytes() == bytes(payload)


def test_the_array_begins_where_numpy_wants_it() -> None:
    file = bytes(encode("NPZ", generate_data(1000, seed=1)))
    start = file.index(b"\x93NUMPY")
    (header,) = struct.unpack_from("<H", file, start + 8)
    assert (10 + header) % 64 == 0


@pytest.mark.parametrize("size", [0, 1, 1000, 3 << 20])
def test_tfrecord_carries_the_checksums_of_castagnoli(size: int) -> None:
    def masked(data: bytes) -> int:
        crc = google_crc32c.value(data)
        return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) % 2**32

    payload = bytes(generate_data(size, seed=1))
    record = bytes(encode("tfrecord", payload))
    assert len(record) == size + 16
    assert record[:8] == struct.pack("<Q", size)
    assert struct.unpack("<I", record[8:12])[0] == masked(record[:8])
    assert record[12:-4] == payload
    assert struct.unpack("<I", record[-4:])[0] == masked(payload)


def test_raw_and_zeros() -> None:
    payload = generate_data(1000, seed=1)
    assert encode("RAW", payload) is payload
    assert encode("zeros", payload) == bytes(1000)


def test_crc32c_is_that_of_others() -> None:
    assert _ext.crc32c(b"123456789") == 0xE3069283


def test_equal_payloads_make_equal_objects() -> None:
    for word in OBJECT_TYPES:
        assert bytes(encode(word, b"abc")) == bytes(encode(word, b"abc"))


def test_another_word_is_refused() -> None:
    with pytest.raises(ValueError, match="HDF6"):
        encode("HDF6", b"")
