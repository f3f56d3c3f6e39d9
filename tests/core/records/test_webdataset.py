from __future__ import annotations

import io
import tarfile

import pytest
from core.records.record_bytes import decoded, ranges_of, tar_of
from hypothesis import example, given, settings
from hypothesis import strategies as st

from s3dlio_core import RecordError
from s3dlio_core.records import format_named
from s3dlio_core.records.reader import HeadReader

FORMAT = format_named("webdataset")
FILES = [
    ("./", b""),
    ("./0001.jpg", b"jpeg one"),
    ("./0001.cls", b"7"),
    ("./0002.Left.JPG", b"x" * 1000),
    ("./0002.json", b""),
    ("sub/", b""),
    ("sub/0002.jpg", b"another 0002"),
    ("README", b"no sample"),
    (".hidden", b"no sample"),
    ("sub.dir/0003.txt", b"the dot of the folder does not count"),
    ("__meta__", b"no sample"),
    ("__meta.x__", b"no sample"),
    ("0004.bin", bytes(512)),
]
SAMPLES = [
    ("./0001", {"jpg": b"jpeg one", "cls": b"7"}),
    ("./0002", {"left.jpg": b"x" * 1000, "json": b""}),
    ("sub/0002", {"jpg": b"another 0002"}),
    ("sub.dir/0003", {"txt": b"the dot of the folder does not count"}),
    ("0004", {"bin": bytes(512)}),
]
FORMATS = pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])


def plain(sample: object) -> tuple[str, dict[str, bytes]]:
    assert isinstance(sample, dict)
    key = sample.pop("__key__")
    return key, {name: bytes(value) for name, value in sample.items()}


@FORMATS
def test_samples_by_their_own_ranges(format: int) -> None:
    assert [plain(sample) for sample in decoded(FORMAT, tar_of(FILES, format))] == SAMPLES


def test_ranges_go_from_the_first_header_to_the_last_block() -> None:
    data = tar_of([("a.jpg", b"1" * 513), ("a.txt", b"2"), ("folder/", b""), ("b.jpg", b"3")])
    assert [(r.start, r.end, r.name) for r in ranges_of(FORMAT, data)] == [
        (0, 512 + 1024 + 512 + 512, "a"),
        (3072, 4096, "b"),
    ]


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_and_foreign_names(format: int) -> None:
    name = "folder-" * 40 + "/" + "n" * 150
    files = [(f"{name}.grün.txt", b"1"), (f"{name}.b", b"2"), ("ü.c", b"3")]
    samples = [plain(sample) for sample in decoded(FORMAT, tar_of(files, format))]
    assert samples == [(name, {"grün.txt": b"1", "b": b"2"}), ("ü", {"c": b"3"})]


def test_a_pax_size_goes_before_the_header_s() -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("a.bin")
        info.size = 3
        info.pax_headers = {"comment": "grün", "size": "3"}
        archive.addfile(info, io.BytesIO(b"abc"))
    assert plain(decoded(FORMAT, file.getvalue())[0]) == ("a", {"bin": b"abc"})


def test_global_headers_are_passed_over_where_they_change_nothing() -> None:
    def archive_with(headers: dict[str, str]) -> bytes:
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT, pax_headers=headers) as archive:
            info = tarfile.TarInfo("a.bin")
            info.size = 3
            archive.addfile(info, io.BytesIO(b"abc"))
        return file.getvalue()

    assert plain(decoded(FORMAT, archive_with({"comment": "from git"}))[0]) == ("a", {"bin": b"abc"})
    with pytest.raises(RecordError, match="global header"):
        ranges_of(FORMAT, archive_with({"path": "elsewhere"}))


def test_webdataset_groups_the_same() -> None:
    webdataset = pytest.importorskip("webdataset")
    stream = io.BytesIO(tar_of(FILES))
    with tarfile.open(fileobj=stream) as archive:
        found = [
            {"__url__": "", "fname": member.name, "data": archive.extractfile(member).read()}
            for member in archive
            if member.isreg() and not (member.name.startswith("__") and member.name.endswith("__"))
        ]
    groups = []
    for sample in webdataset.tariterators.group_by_keys(found):
        key = sample.pop("__key__")
        groups.append((key, {name: data for name, data in sample.items() if not name.startswith("__")}))
    assert groups == SAMPLES


PIECES = st.sampled_from(["__meta__", "__", "___", "____", "__a", "a__", "__m.x__", "x", "y.b", "X.C.d", "é.f"])
NAMES = st.lists(PIECES, min_size=1, max_size=3).map("/".join)


@settings(max_examples=200, deadline=None)
@given(names=st.lists(NAMES, max_size=6, unique=True))
@example(names=["a.x", "__meta__/b.x", "__meta__", "a.y", "in/__meta__/c.x", "__m.x__"])
def test_whatever_the_names_webdataset_finds_the_same_samples(names: list[str]) -> None:
    iterators = pytest.importorskip("webdataset.tariterators")
    data = tar_of([(name, name.encode()) for name in names])
    files = [{**file, "__url__": ""} for file in iterators.tar_file_iterator(io.BytesIO(data))]
    try:
        theirs = [plain({k: v for k, v in s.items() if k != "__url__"}) for s in iterators.group_by_keys(files)]
    except ValueError:  # a field twice
        with pytest.raises(RecordError, match="again"):
            ranges_of(FORMAT, data)
        return
    assert [plain(sample) for sample in decoded(FORMAT, data)] == theirs


def test_fields_are_not_copied() -> None:
    data = bytearray(tar_of([("a.bin", b"abc")]))
    (record,) = ranges_of(FORMAT, bytes(data))
    sample = FORMAT.decode(memoryview(data)[record.start : record.end], "a")
    data[512:515] = b"xyz"
    assert bytes(sample["bin"]) == b"xyz"


def test_only_headers_of_large_members_are_read() -> None:
    data = tar_of([(f"{n}.bin", bytes(3 << 20)) for n in range(4)])
    reader = HeadReader.over(data)
    assert len(list(FORMAT.index(reader, len(data)))) == 4
    assert reader.bytes_read < len(data) // 16


@FORMATS
def test_an_archive_cut_anywhere_is_an_error(format: int) -> None:
    data = tar_of([("a.bin", b"1" * 700), ("b/" + "b" * 90 + "/" + "b" * 60 + ".bin", b"2" * 3)], format)
    whole = ranges_of(FORMAT, data)[-1].end
    for size in [*range(0, whole, 100), *range(512, whole + 1, 512)]:
        with pytest.raises(RecordError, match=r"cut short|damaged"):
            ranges_of(FORMAT, data[:size])


def test_damage_in_the_middle_is_not_taken_for_the_end() -> None:
    data = bytearray(tar_of([("a.bin", b"1"), ("b.bin", b"2"), ("c.bin", b"3")]))
    data[1024 + 3] ^= 0xFF
    with pytest.raises(RecordError, match="block at byte 1024 is no tar header"):
        ranges_of(FORMAT, bytes(data))


def test_joined_archives_are_refused() -> None:
    one = tar_of([("a.bin", b"1")])
    with pytest.raises(RecordError, match="data follows the archive's end"):
        ranges_of(FORMAT, one + one)
    assert len(ranges_of(FORMAT, one + bytes(20480))) == 1


def test_a_field_twice_is_refused() -> None:
    with pytest.raises(RecordError, match="'bin' of its sample again"):
        ranges_of(FORMAT, tar_of([("a.bin", b"1"), ("a.BIN", b"2")]))
    with pytest.raises(RecordError, match="__key__"):
        ranges_of(FORMAT, tar_of([("a.__key__", b"1")]))


def test_links_are_refused_where_a_sample_would_miss_a_field() -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            info = tarfile.TarInfo("a.jpg")
            info.type, info.linkname = kind, "../../etc/passwd"
            archive.addfile(info)
    with pytest.raises(RecordError, match=r"a\.jpg.* is a link"):
        ranges_of(FORMAT, file.getvalue())


def test_sparse_files_are_refused() -> None:
    header = bytearray(tarfile.TarInfo("a.bin").tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[148:156] = b"%06o\0 " % (256 + sum(header[:148]) + sum(header[156:]))
    with pytest.raises(RecordError, match="sparse"):
        ranges_of(FORMAT, bytes(header) + bytes(1024))


@pytest.mark.parametrize("size", [1 << 62, (1 << 33) + 1, -5])
def test_absurd_sizes_allocate_nothing(size: int) -> None:
    info = tarfile.TarInfo("a.bin")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = (b"\x80" if size > 0 else b"\xff") + size.to_bytes(11, "big", signed=True)
    header[148:156] = b"%06o\0 " % (256 + sum(header[:148]) + sum(header[156:]))
    with pytest.raises(RecordError, match=r"cut short|damaged"):
        ranges_of(FORMAT, bytes(header) + bytes(1024))


def test_a_name_of_a_megabyte_is_refused() -> None:
    data = tar_of([("a" * (2 << 20) + ".x", b"1")], tarfile.GNU_FORMAT)
    with pytest.raises(RecordError, match="1 MiB at most"):
        ranges_of(FORMAT, data)


def test_a_sample_cut_short_is_refused() -> None:
    data = tar_of([("a.x", b"1" * 600), ("a.y", b"2" * 600)])
    (record,) = ranges_of(FORMAT, data)
    for end in range(1, record.end, 100):
        if end % 1536:  # a cut between members is noticed by the length that the index knows
            with pytest.raises(RecordError, match="cut short"):
                FORMAT.decode(memoryview(data)[record.start : end], "a")


def test_a_compressed_shard_says_so() -> None:
    import gzip

    with pytest.raises(RecordError, match="compressed"):
        ranges_of(FORMAT, gzip.compress(tar_of(FILES)) + bytes(512))


def test_a_range_of_another_archive_is_refused() -> None:
    data = tar_of([("a.bin", b"1"), ("b.bin", b"2")])
    with pytest.raises(RecordError, match="'a' and 'b'; expected those of one"):
        FORMAT.decode(memoryview(data)[:2048], "a")
    with pytest.raises(RecordError, match="ends at byte 1024"):
        FORMAT.decode(memoryview(data)[1024:3072], "b")
    with pytest.raises(RecordError, match="no member"):
        FORMAT.decode(memoryview(b""), "b")
