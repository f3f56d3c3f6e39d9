"""`.pt` objects: what torch.save() wrote is read with every checksum compared, and nothing it says is carried out."""

from __future__ import annotations

import io
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from servers.access import credentials_of
from servers.fault_server import FaultServer

import s3dlio_core
from s3dlio_core.errors import CheckpointError, ChecksumMismatchError, ObjectNotFoundError, StorageError
from s3dlio_torch.pt import UnsafePickleError, load, save


def everything() -> dict[str, Any]:
    """One of each kind of thing that weights_only allows."""
    torch.manual_seed(3)
    base = torch.randn(40, 5)
    return {
        "base": base, "view": base[3:9, 1:4], "transposed": base.t(), "empty": torch.empty(0),
        "none": torch.empty(0, 7),
        "parameter": torch.nn.Parameter(torch.ones(3, dtype=torch.bfloat16)), "scalar": torch.tensor(7),
        "bool": torch.tensor([True, False]), "complex": torch.randn(3, dtype=torch.complex64),
        "float8": torch.randn(9).to(torch.float8_e4m3fn), "uint16": torch.arange(5).to(torch.uint16),
        "sparse": torch.eye(4).to_sparse(), "csr": torch.eye(4).to_sparse_csr(), "meta": torch.empty(3, device="meta"),
        "quantized": torch.quantize_per_channel(
            torch.randn(2, 6), torch.tensor([0.1, 0.2]), torch.tensor([0, 1]), 0, torch.qint8
        ),
        "words": ["a", ("é", 2.5, None, True, 1 << 70)], "ordered": OrderedDict(a=1), "size": torch.Size([2, 3]),
        "dtype": torch.float16, "set": {1, 2},
    }  # fmt: skip


def assert_same(found: Any, expected: Any) -> None:
    assert type(found) is type(expected)
    if not isinstance(expected, torch.Tensor):
        assert found == expected
    elif expected.device.type == "meta":
        assert found.shape == expected.shape
    elif expected.is_quantized:
        assert torch.equal(found.dequantize(), expected.dequantize())
    elif expected.layout != torch.strided:
        assert torch.equal(found.to_dense(), expected.to_dense())
    else:
        assert (found.dtype, found.shape, found.stride()) == (expected.dtype, expected.shape, expected.stride())
        assert torch.equal(found.to(torch.complex128), expected.to(torch.complex128))


@pytest.fixture(params=["file", "direct", "seaweedfs"])
def place(request: pytest.FixtureRequest, tmp_path: Path, name: str) -> tuple[str, dict[str, Any]]:
    """An object's URI and the options its store needs."""
    if request.param == "seaweedfs":
        return f"s3://train/{name}/a.pt", credentials_of(request.getfixturevalue("seaweedfs"))
    return f"{request.param}://{tmp_path}/a.pt", {}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.pt"


@pytest.fixture
def uri(path: Path) -> str:
    return f"file://{path}"


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support:UserWarning")
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated:UserWarning")  # torch's own, for quantized tensors
def test_everything_comes_back_as_torch_brings_it_back(place: tuple[str, dict[str, Any]]) -> None:
    uri, options = place
    expected = everything()
    save(expected, uri, **options)
    found = load(uri, **options)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert_same(found[name], value)
    assert found["view"].untyped_storage().data_ptr() == found["base"].untyped_storage().data_ptr()
    # And what we write is what torch reads, byte for byte what it would have written.
    with s3dlio_core.open_store(uri.rpartition("/")[0], **options) as store:
        stored = bytes(store.get("a.pt"))
    assert torch.equal(torch.load(io.BytesIO(stored), weights_only=True)["view"], expected["view"])
    written = io.BytesIO()
    torch.save(expected, written)
    assert len(written.getvalue()) == len(stored)


def test_large_storages_are_read_in_pieces_and_combined(uri: str) -> None:
    expected = {f"{number}": torch.arange(number, number + 10_000_000) for number in range(3)}
    save(expected, uri)
    before = s3dlio_core.stats()["bytes_received"]
    found = load(uri)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    received = s3dlio_core.stats()["bytes_received"] - before
    assert received < 240_000_000 + 3 * (64 << 10)  # once, with both ends


@pytest.mark.parametrize("keyword", [{"pickle_protocol": 2}, {"pickle_protocol": 4}])
def test_other_protocols_are_read_where_torch_reads_them(path: Path, uri: str, keyword: dict[str, Any]) -> None:
    expected = {"a": torch.arange(10), "b": torch.ones(3)}
    torch.save(expected, path, **keyword)
    found = load(uri, weights_only=keyword["pickle_protocol"] == 2)
    assert torch.equal(found["a"], expected["a"])


def test_archives_of_other_alignment_and_without_checksums(path: Path, uri: str) -> None:
    expected = {"a": torch.arange(1000), "b": torch.randn(77)}
    from torch.utils.serialization import config

    for alignment, crc in ((4096, True), (64, False), (1, True), (7, True)):
        with config.patch({"save.storage_alignment": alignment, "save.compute_crc32": crc}):
            torch.save(expected, path)
        found = load(uri)
        assert all(torch.equal(found[name], tensor) for name, tensor in expected.items()), (alignment, crc)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_repacked_archive_is_read(path: Path, uri: str, compression: int) -> None:
    expected = {"a": torch.arange(1000), "b": torch.randn(77)}
    torch.save(expected, path)
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, contents in records.items():
            archive.writestr(name, contents)
    found = load(uri)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    with zipfile.ZipFile(path) as archive:
        large = max(archive.infolist(), key=lambda entry: entry.compress_size)
    flip(path, large.header_offset + 30 + len(large.filename) + large.compress_size // 2)
    with pytest.raises((CheckpointError, ChecksumMismatchError), match=r"a\.pt"):
        load(uri)


def test_the_older_format_is_read(path: Path, uri: str) -> None:
    expected = {"a": torch.arange(1000), "b": torch.randn(77)}
    torch.save(expected, path, _use_new_zipfile_serialization=False)
    found = load(uri)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


# ---- map_location ----
def test_every_form_of_map_location(uri: str) -> None:
    expected = {"a": torch.arange(1000), "e": torch.empty(0), "b": torch.randn(77)}
    save(expected, uri)
    seen: list[tuple[int, str, int]] = []

    def look(storage: torch.UntypedStorage, location: str) -> torch.UntypedStorage | None:
        seen.append((storage.nbytes(), location, sum(bytes(storage)[:100])))
        return None if len(seen) % 2 else storage

    for chosen in (None, "cpu", torch.device("cpu"), {"cpu": "cpu"}, {"cuda:0": "cpu"}, look):
        found = load(uri, chosen)
        assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert [(size, location) for size, location, _ in seen] == [(8000, "cpu"), (0, "cpu"), (308, "cpu")]
    assert seen[0][2] == sum(range(13))  # it sees the bytes
    for chosen in ("meta", torch.device("meta"), {"cpu": "meta"}):
        found = load(uri, chosen)
        assert {name: (tensor.device.type, tensor.shape) for name, tensor in found.items()} == {
            name: ("meta", tensor.shape) for name, tensor in expected.items()
        }


def test_a_device_that_is_not_there_is_said_as_torch_says_it(uri: str) -> None:
    save({"a": torch.ones(3)}, uri)
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(RuntimeError, match="map_location"):
        load(uri, "cuda")


def test_the_staging_way_checks_as_well(path: Path, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for an accelerator: through slots, piece by piece."""
    from s3dlio_torch import _fill_tensors, _staging

    monkeypatch.setattr(_fill_tensors.TensorItem, "is_direct", property(lambda item: item.target.numel() < 64))
    monkeypatch.setattr(_staging.StagingPool.__init__, "__kwdefaults__", {"slots": 3, "slot_bytes": 4096})
    expected = {"a": torch.arange(10_000), "b": torch.randn(77)}
    save(expected, uri)
    found = load(uri)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    flip(path, path.stat().st_size // 2)
    with pytest.raises(ChecksumMismatchError, match="data/0"):
        load(uri)


def test_defaults_of_the_process_change_nothing(uri: str) -> None:
    from torch.utils.serialization import config

    expected = {"a": torch.arange(1000), "b": torch.randn(77)}
    save(expected, uri)
    with torch.device("meta"), config.patch({"load.mmap": True}):
        found = load(uri)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


@pytest.mark.skipif(not torch.accelerator.is_available(), reason="needs an accelerator")
def test_onto_an_accelerator_and_back(path: Path, uri: str) -> None:
    device = torch.accelerator.current_accelerator()
    assert device is not None
    expected = {"a": torch.randn(9_000_000), "b": torch.randn(77).to(torch.bfloat16)}
    save({name: tensor.to(device) for name, tensor in expected.items()}, uri)
    for chosen in (None, device, str(device), {f"{device.type}:0": f"{device.type}:0"}):
        found = load(uri, chosen)
        assert all(tensor.device.type == device.type for tensor in found.values())
        assert all(torch.equal(found[name].cpu(), tensor) for name, tensor in expected.items())
    assert load(uri, "cpu")["a"].device.type == "cpu"
    flip(path, path.stat().st_size // 2)
    with pytest.raises(ChecksumMismatchError, match="data/0"):
        load(uri, device)


# ---- damage ----
def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 0x10
    path.write_bytes(data)


@pytest.mark.parametrize("record", ["data/0", "data/1", "data.pkl", "byteorder", "version"])
def test_a_flipped_byte_in_a_record_is_an_error_that_names_it(path: Path, uri: str, record: str) -> None:
    save({"a": torch.arange(1000), "b": torch.randn(77)}, uri)
    with zipfile.ZipFile(path) as archive:
        contents = archive.read(f"{archive.namelist()[0].partition('/')[0]}/{record}")
    flip(path, path.read_bytes().rindex(contents) + len(contents) // 2)
    with pytest.raises(ChecksumMismatchError, match=rf"a\.pt: the record {record} "):
        load(uri)


def test_a_flipped_byte_anywhere_is_an_error_or_changes_nothing(path: Path, uri: str) -> None:
    expected = {"a": torch.arange(40), "b": torch.randn(7)}
    save(expected, uri)
    whole = path.read_bytes()
    unnoticed = 0
    refusals: list[str] = []
    for position in range(0, len(whole), 3):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x04]) + whole[position + 1 :])
        try:
            found = load(uri)
        except StorageError as error:
            refusals.append(str(error))
            continue
        unnoticed += 1
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], tensor) for name, tensor in expected.items()), position
    assert all("a.pt" in refusal for refusal in refusals)
    assert unnoticed < len(whole) / 3  # dates, padding, versions


@pytest.mark.parametrize("cut", [0, 3, 30, 500, -1, -22, -200])
def test_an_object_cut_short_is_refused(path: Path, uri: str, cut: int) -> None:
    save({"a": torch.arange(1000)}, uri)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(CheckpointError, match=r"a\.pt"):
        load(uri)


def test_nothing_there(uri: str) -> None:
    with pytest.raises(ObjectNotFoundError, match=r"a\.pt"):
        load(uri)


def test_an_archive_that_contradicts_itself(path: Path, uri: str) -> None:
    torch.save({"a": torch.arange(1000)}, path)
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}

    def rewrite(changes: dict[str, bytes | None]) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name, contents in {**records, **changes}.items():
                if contents is not None:
                    archive.writestr(name, contents)

    front = next(iter(records)).partition("/")[0]
    for changes, message in (
        ({f"{front}/data/0": None}, "data/0, and there is none"),
        ({f"{front}/data/0": bytes(7999)}, "data/0 has 7999 bytes; the pickle says 8000"),
        ({f"{front}/data.pkl": None}, r"no record data\.pkl"),
        ({f"{front}/data.pkl": b"no pickle"}, r"a\.pt"),
        ({"elsewhere/data/0": bytes(8000)}, "outside"),
    ):
        rewrite(changes)  # type: ignore[arg-type]
        with pytest.raises(CheckpointError, match=message):
            load(uri)


# ---- what a pickle may not do ----
class Evil:
    def __init__(self, path: Path, call: Any = os.system) -> None:
        self.path, self.call = path, call

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call, (f"touch {self.path}",)


@pytest.mark.parametrize("kind", ["zip", "legacy", "bare pickle", "inside a tensor's dict"])
def test_a_malicious_object_is_refused_and_does_nothing(path: Path, uri: str, tmp_path: Path, kind: str) -> None:
    mark = tmp_path / "was here"
    evil: Any = {"a": torch.ones(3), "b": Evil(mark)}
    if kind == "bare pickle":
        path.write_bytes(pickle.dumps(Evil(mark), protocol=2))
    elif kind == "legacy":
        torch.save(evil, path, _use_new_zipfile_serialization=False)
    elif kind == "zip":
        torch.save(evil, path)
    else:
        torch.save(OrderedDict(weights=[torch.ones(3), (Evil(mark, eval),)]), path)
    with pytest.raises(UnsafePickleError, match=r"a\.pt") as failure:
        load(uri)
    assert isinstance(failure.value, pickle.UnpicklingError)
    assert isinstance(failure.value, CheckpointError)
    assert not mark.exists()


def test_what_the_user_trusts_is_loaded(path: Path, uri: str) -> None:
    torch.save({"a": torch.arange(9), "p": Path("x")}, path)
    with pytest.raises(UnsafePickleError):
        load(uri)
    found = load(uri, weights_only=False)
    assert found["p"] == Path("x")
    assert torch.equal(found["a"], torch.arange(9))
    with torch.serialization.safe_globals([type(Path()), *([Path] if type(Path()) is not Path else [])]):
        assert torch.equal(load(uri)["a"], torch.arange(9))


OPCODES = {
    "extension code": b"\x80\x02\x82\x01.",
    "claimed memo": b"\x80\x02K\x01r\xff\xff\xff\x7f.",
    "claimed string": b"\x80\x02X\xff\xff\xff\x7fabc.",
    "claimed bytes": b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
    "class of a class": b"\x80\x02cbuiltins\neval\ncbuiltins\ntype\n)\x81}b.",
    "an instance's method": b"\x80\x02]ccopyreg\n_reconstructor\nab.",
    "persistent id of nothing": b"\x80\x02NQ.",
    "persistent id of numbers": b"\x80\x02(K\x01K\x02K\x03K\x04K\x05tQ.",
    "empty": b"",
}


@pytest.mark.parametrize("name", OPCODES)
def test_a_pickle_of_tricks_is_an_error_at_no_cost(path: Path, uri: str, name: str) -> None:
    torch.save({}, path)
    with zipfile.ZipFile(path) as archive:
        records = {each: archive.read(each) for each in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for each, contents in records.items():
            archive.writestr(each, OPCODES[name] if each.endswith("data.pkl") else contents)
    if name == "claimed memo":
        assert load(uri) == 1  # odd and harmless
        return
    with pytest.raises(CheckpointError, match=r"a\.pt"):
        load(uri)


# ---- saving ----
def test_a_save_that_fails_leaves_what_was_there(fault_server: FaultServer) -> None:
    options = credentials_of(fault_server) | {"tuning": s3dlio_core.Tuning(max_attempts=1, part_size=5 << 20)}
    save({"a": torch.ones(3)}, "s3://data/a.pt", **options)
    fault_server.fault("upload_part", status=403, code="AccessDenied", times=None)
    with pytest.raises(s3dlio_core.AccessDeniedError, match=r"a\.pt"):
        save({"a": torch.zeros(6 << 20), "b": torch.zeros(6 << 20)}, "s3://data/a.pt", **options)
    assert torch.equal(load("s3://data/a.pt", **options)["a"], torch.ones(3))
    with pytest.raises((pickle.PicklingError, AttributeError)):
        save({"a": torch.zeros(3), "b": lambda: 1}, "s3://data/a.pt", **options)
    assert torch.equal(load("s3://data/a.pt", **options)["a"], torch.ones(3))


def test_many_storages_are_on_their_way_at_once(fault_server: FaultServer) -> None:
    options = credentials_of(fault_server)
    expected = {f"{number}": torch.full((1 << 19,), float(number)) for number in range(12)}
    save(expected, "s3://data/a.pt", **options)
    fault_server.forget()
    fault_server.fault("get", times=None, delay_head_seconds=0.05)
    found = load("s3://data/a.pt", **options)
    assert fault_server.peak_concurrency >= 3
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


MEASURE = """
import sys
import tarfile
from pathlib import Path
from s3dlio_torch.pt import load
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) >> 10
load(sys.argv[1])
before = peak()
tensors = load(sys.argv[2])
print(peak() - before, sum(t.nbytes for t in tensors.values()) >> 20)
"""


def test_loading_needs_the_tensors_memory_and_little_more(tmp_path: Path) -> None:
    for name, elements in (("small", 1 << 10), ("large", 4 << 20)):
        torch.save({f"{number}": torch.ones(elements) for number in range(16)}, tmp_path / f"{name}.pt")
    command = [sys.executable, "-c", MEASURE, *(f"file://{tmp_path}/{name}.pt" for name in ("small", "large"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    grown, size = map(int, done.stdout.split())
    assert size == 256
    assert size - 8 <= grown <= size + 64


class _OfTorch01(pickle.Pickler):
    """Pickles tensors as torch 0.1 did: by a number, under which they are kept elsewhere."""

    def persistent_id(self, obj: Any) -> Any:
        return "12" if isinstance(obj, torch.Tensor) else None


def tar_of_torch_0_1(tensor: torch.Tensor) -> bytes:
    """{"step": 3, "weight": tensor}, as torch.save() of 2017 wrote it."""
    storages, tensors, document = io.BytesIO(), io.BytesIO(), io.BytesIO()
    for part in (1, (11, "cpu", torch.FloatStorage)):
        pickle.dump(part, storages, protocol=2)
    storages.write(struct.pack("<q", tensor.numel()) + tensor.numpy().tobytes())
    pickle.dump([], storages, protocol=2)
    for part in (1, (12, 11, "torch.FloatTensor")):
        pickle.dump(part, tensors, protocol=2)
    shape, stride = tensor.shape, tensor.stride()
    tensors.write(struct.pack(f"<ii{len(shape)}q{len(shape)}qq", len(shape), 0, *shape, *stride, 0))
    _OfTorch01(document, protocol=2).dump({"step": 3, "weight": tensor})
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:", format=tarfile.PAX_FORMAT) as tar:
        for name, content in (("storages", storages), ("tensors", tensors), ("pickle", document)):
            member = tarfile.TarInfo(name)
            member.size = len(content.getvalue())
            tar.addfile(member, io.BytesIO(content.getvalue()))
    return archive.getvalue()


@pytest.mark.filterwarnings("ignore")  # Python's and torch's own, about tar files and typed storages
def test_archives_of_torch_0_1_load_where_they_may_run_code(place: tuple[str, dict[str, Any]]) -> None:
    uri, options = place
    weight = torch.arange(12.0).view(3, 4)
    with s3dlio_core.open_store(uri.rpartition("/")[0], **options) as store:
        store.put("a.pt", tar_of_torch_0_1(weight))
    with pytest.raises(UnsafePickleError, match=r"torch 0\.1.*weights_only=False"):
        load(uri, **options)
    loaded = load(uri, weights_only=False, **options)
    assert loaded["step"] == 3
    assert torch.equal(loaded["weight"], weight)
