from __future__ import annotations

import importlib.util
import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from core.records.record_bytes import decoded, masked_crc, ranges_of, tfrecord_of

from s3dlio_core import RecordError
from s3dlio_core.formats.object_types import encode
from s3dlio_core.records import format_named
from s3dlio_core.records.reader import HeadReader

FORMAT = format_named("tfrecord")
PAYLOADS = [b"", b"a", b"hello" * 1000, bytes(range(256)) * 300, b"x" * 15]
BY_TENSORFLOW = """
import json, sys
import tensorflow as tf
folder = sys.argv[1]
payloads = [bytes([n % 251]) * n for n in (0, 1, 17, 4096, 70_000)]
with tf.io.TFRecordWriter(folder + "/by-tensorflow") as writer:
    for payload in payloads:
        writer.write(payload)
found = [item.numpy() for item in tf.data.TFRecordDataset(folder + "/ours")]
print(json.dumps([[len(item), item[:1].hex()] for item in found]))
"""


@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="tensorflow is not installed")
def test_tensorflow_and_we_read_each_other(tmp_path: Path) -> None:
    (tmp_path / "ours").write_bytes(b"".join(bytes(encode("TFRECORD", payload)) for payload in PAYLOADS))
    command = [sys.executable, "-W", "ignore", "-c", BY_TENSORFLOW, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == [[len(item), item[:1].hex()] for item in PAYLOADS]
    theirs = (tmp_path / "by-tensorflow").read_bytes()
    assert [bytes(item) for item in decoded(FORMAT, theirs)] == [bytes([n % 251]) * n for n in (0, 1, 17, 4096, 70_000)]


def test_records_lie_one_behind_the_other() -> None:
    data = tfrecord_of(PAYLOADS)
    ranges = ranges_of(FORMAT, data)
    assert [record.end - record.start for record in ranges] == [len(payload) + 16 for payload in PAYLOADS]
    assert ranges[0].start == 0
    assert ranges[-1].end == len(data)
    assert [bytes(item) for item in decoded(FORMAT, data)] == PAYLOADS


def test_the_payload_is_not_copied() -> None:
    data = bytearray(tfrecord_of([b"abc"]))
    payload = FORMAT.decode(memoryview(data), "0")
    data[12:15] = b"xyz"
    assert bytes(payload) == b"xyz"


def test_an_empty_file_has_no_records() -> None:
    assert ranges_of(FORMAT, b"") == []


def test_only_heads_of_large_records_are_read() -> None:
    data = tfrecord_of([bytes(4 << 20)] * 4)
    reader = HeadReader.over(data)
    assert len(list(FORMAT.index(reader, len(data)))) == 4
    assert reader.bytes_read < len(data) // 32
    assert reader.requests <= 5


def test_small_records_take_few_requests() -> None:
    data = tfrecord_of([bytes(1000)] * 4000)
    reader = HeadReader.over(data)
    assert len(list(FORMAT.index(reader, len(data)))) == 4000
    assert reader.requests <= 10


@pytest.mark.parametrize("cut", [1, 5, 11, 12, 15, 16, 3000, 5015])
def test_a_file_cut_short_is_an_error(cut: int) -> None:
    data = tfrecord_of([b"first", b"y" * 5000])
    with pytest.raises(RecordError, match=r"record 1 at byte 21.*cut short"):
        ranges_of(FORMAT, data[:-cut])


def test_every_flipped_byte_of_a_record_is_noticed() -> None:
    data = tfrecord_of([b"some payload"])
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 0x10
        with pytest.raises(RecordError):
            FORMAT.decode(memoryview(damaged), "0")


def test_a_damaged_length_names_the_record() -> None:
    data = bytearray(tfrecord_of([b"first", b"second"]))
    data[21] ^= 1
    with pytest.raises(RecordError, match=r"record 1 at byte 21: its length has the checksum 0x\w+; expected 0x\w+"):
        ranges_of(FORMAT, bytes(data))


def test_a_damaged_payload_names_both_checksums() -> None:
    data = bytearray(tfrecord_of([b"payload"]))
    data[14] ^= 1
    with pytest.raises(RecordError, match=r"record 7: the 7 bytes .* checksum 0x\w+; expected 0x\w+.*damaged"):
        FORMAT.decode(memoryview(data), "7")


@pytest.mark.parametrize("length", [1 << 40, (1 << 64) - 1, (1 << 64) - 16, 1 << 63])
def test_a_length_beyond_the_file_reads_nothing_and_allocates_nothing(length: int) -> None:
    head = struct.pack("<Q", length)
    data = head + masked_crc(head) + bytes(100)
    with pytest.raises(RecordError, match="cut short"):
        ranges_of(FORMAT, data)
    with pytest.raises(RecordError, match="cut short"):
        FORMAT.decode(memoryview(data), "0")


def test_a_compressed_file_says_so() -> None:
    import gzip

    with pytest.raises(RecordError, match="compressed"):
        ranges_of(FORMAT, gzip.compress(tfrecord_of(PAYLOADS)))


def test_two_records_in_one_range_are_refused() -> None:
    data = tfrecord_of([b"one", b"two"])
    with pytest.raises(RecordError, match=r"38 bytes; expected 19"):
        FORMAT.decode(memoryview(data), "0")
