"""Safetensors objects: both ways against the format's own library, over files and a real S3 server."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors
import safetensors.torch as reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from servers.access import credentials_of
from servers.fault_server import FaultServer

import s3dlio_core
import s3dlio_torch
from s3dlio_core import stats
from s3dlio_core.errors import (
    InvalidArgumentError,
    ObjectNotFoundError,
    PreconditionError,
    RecordError,
    StorageError,
    UnsupportedOperationError,
)
from s3dlio_core.formats.safetensors_header import build_header
from s3dlio_torch.safetensors import (
    SharedTensorsError,
    load_file,
    load_into,
    load_model,
    safe_open,
    save_file,
    save_model,
)

DTYPES = [
    torch.bool, torch.uint8, torch.int8, torch.float8_e5m2, torch.float8_e4m3fn, torch.float8_e8m0fnu,
    torch.float8_e4m3fnuz, torch.float8_e5m2fnuz, torch.float4_e2m1fn_x2, torch.int16, torch.uint16, torch.float16,
    torch.bfloat16, torch.int32, torch.uint32, torch.float32, torch.complex64, torch.float64, torch.int64, torch.uint64,
]  # fmt: skip


def of_every_dtype() -> dict[str, torch.Tensor]:
    """Random bits, but for bool; with an empty tensor and a scalar."""
    torch.manual_seed(1)
    tensors: dict[str, torch.Tensor] = {"empty": torch.empty(0, 3), "scalar": torch.tensor(3.5)}
    for dtype in DTYPES:
        bits = torch.randint(0, 2 if dtype == torch.bool else 256, (15 * dtype.itemsize,), dtype=torch.uint8)
        tensors[f"{dtype} é"] = bits.view(dtype).view(3, 5)
    return tensors


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype, name
        assert found[name].shape == tensor.shape, name
        assert bits_of(found[name]) == bits_of(tensor), name


def bits_of(tensor: torch.Tensor) -> bytes:
    return bytes(tensor.contiguous().reshape(-1).view(torch.uint8).tolist())


@pytest.fixture(params=["file", "direct", "seaweedfs"])
def place(request: pytest.FixtureRequest, tmp_path: Path, name: str) -> tuple[str, dict[str, Any]]:
    """A folder's URI and the options its stores need."""
    if request.param == "seaweedfs":
        return f"s3://train/{name}/", credentials_of(request.getfixturevalue("seaweedfs"))
    return f"{request.param}://{tmp_path}/", {}


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"file://{tmp_path}/model.safetensors"


def test_what_we_write_is_byte_for_byte_what_the_formats_library_writes(
    place: tuple[str, dict[str, Any]], tmp_path: Path
) -> None:
    folder, options = place
    tensors = of_every_dtype()
    reference.save_file(tensors, tmp_path / "reference.safetensors", {"format": "pt"})
    result = save_file(tensors, folder + "ours.safetensors", {"format": "pt"}, **options)
    with s3dlio_core.open_store(folder, **options) as store:
        stored = bytes(store.get("ours.safetensors"))
    assert stored == (tmp_path / "reference.safetensors").read_bytes()
    assert result.size in (0, len(stored))


def test_what_the_formats_library_wrote_is_loaded(place: tuple[str, dict[str, Any]], tmp_path: Path) -> None:
    folder, options = place
    tensors = of_every_dtype()
    reference.save_file(tensors, tmp_path / "reference.safetensors")
    with s3dlio_core.open_store(folder, **options) as store:
        store.put("theirs.safetensors", (tmp_path / "reference.safetensors").read_bytes())
    loaded = load_file(folder + "theirs.safetensors", **options)
    assert_same(loaded, tensors)
    assert_same(loaded, reference.load_file(tmp_path / "reference.safetensors"))
    addresses = [tensor.untyped_storage().data_ptr() for tensor in loaded.values() if tensor.numel()]
    assert len(set(addresses)) == len(addresses)


def test_only_the_named_tensors_are_read(uri: str) -> None:
    tensors = {"small": torch.arange(10), "large": torch.zeros(4 << 20)}
    save_file(tensors, uri)
    before = stats()["bytes_received"]
    assert_same(load_file(uri, names=["small"]), {"small": tensors["small"]})
    assert stats()["bytes_received"] - before < 1 << 20
    with pytest.raises(KeyError, match='no tensor "other"'):
        load_file(uri, names=["other"])


def test_many_large_tensors_arrive_in_place(uri: str) -> None:
    tensors = {f"layer.{number}": torch.arange(number, number + 3_000_000) for number in range(6)}
    save_file(tensors, uri)
    assert_same_quickly(load_file(uri), tensors)


def assert_same_quickly(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_the_meta_device_needs_no_bytes(uri: str) -> None:
    save_file({"a": torch.zeros(1 << 20)}, uri)
    # Everything but the tensors' contents works there: what a planner asks.
    with safe_open(uri, framework="pt") as f:
        assert f.get_slice("a").get_shape() == [1 << 20]


# ---- safe_open ----
def test_safe_open_tells_what_the_formats_library_tells(uri: str, tmp_path: Path) -> None:
    tensors = of_every_dtype()
    save_file(tensors, uri, {"made by": "a test"})
    with safe_open(uri, framework="pt") as ours, safetensors.safe_open(tmp_path / "model.safetensors", "pt") as theirs:
        assert ours.keys() == theirs.keys()
        assert ours.offset_keys() == theirs.offset_keys()
        assert ours.metadata() == theirs.metadata() == {"made by": "a test"}
        assert_same({name: ours.get_tensor(name) for name in ours.keys()}, tensors)  # noqa: SIM118
        for name in tensors:
            assert ours.get_slice(name).get_dtype() == theirs.get_slice(name).get_dtype()
            if "float4" not in name:  # theirs counts the packed halves there
                assert ours.get_slice(name).get_shape() == theirs.get_slice(name).get_shape()
        assert "scalar" in ours
        assert len(ours) == len(tensors)


def test_safe_open_says_what_is_wrong(uri: str) -> None:
    save_file({"a": torch.zeros(2)}, uri)
    with pytest.raises(InvalidArgumentError, match='framework is "numpy"'):
        safe_open(uri, framework="numpy")
    f = safe_open(uri)
    assert f.metadata() is None
    with pytest.raises(KeyError, match='no tensor "b"'):
        f.get_tensor("b")
    with pytest.raises(KeyError, match='no tensor "b"'):
        f.get_slice("b")
    f.close()
    with pytest.raises(InvalidArgumentError, match="closed"):
        f.get_tensor("a")


INDICES: list[Any] = [
    slice(None), 0, -1, slice(2, 5), slice(-3, None), slice(0, 0), slice(None, None, 3), slice(90, 200), ...,
    (slice(1, 3), 2), (..., 0), (..., slice(1, 4)), (3, ..., slice(None, None, 2)), (slice(None), slice(1, 2)),
    (slice(0, 6, 2), slice(None), 4), (0, 0, 0), (), (slice(None, None, 5), 1, slice(0, 1)),
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float8_e4m3fn, torch.complex64, torch.bool])
def test_a_slice_is_what_torch_would_select(uri: str, index: Any, dtype: torch.dtype) -> None:
    whole = torch.randint(0, 8, (7, 6, 5)).to(dtype)
    save_file({"before": torch.zeros(3), "a": whole}, uri)
    with safe_open(uri) as f:
        part = f.get_slice("a")[index]
    assert part.dtype == dtype
    assert torch.equal(part.to(torch.complex64), whole.to(torch.complex64)[index])  # not every type can be compared


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_any_slice_of_any_shape(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(0, 40), min_size=0, max_size=4))
    if torch.Size(shape).numel() > 200_000:
        shape = shape[:2]
    index = []
    for extent in shape[: data.draw(st.integers(0, len(shape)))]:
        integers = st.integers(-extent, extent - 1) if extent else st.nothing()
        slices = st.slices(extent).filter(lambda each: (each.step or 1) > 0)
        index.append(data.draw(integers | slices))
    whole = torch.arange(torch.Size(shape).numel(), dtype=torch.int32).view(shape)
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    reference.save_file({"a": whole}, path)
    with safe_open(f"file://{path}") as f:
        part = f.get_slice("a")[tuple(index)]
    assert torch.equal(part, whole[tuple(index)])


def test_large_selections_of_short_runs_arrive_whole(uri: str) -> None:
    """Columns of many rows: through pieces of rows, and by runs where rows are long."""
    whole = torch.randint(0, 1 << 30, (3000, 2000), dtype=torch.int32)
    save_file({"a": whole}, uri)
    with safe_open(uri) as f:
        rows = f.get_slice("a")
        assert torch.equal(rows[:, 7], whole[:, 7])
        assert torch.equal(rows[::3, 10:13], whole[::3, 10:13])
        assert torch.equal(rows[5:2500, 100:1500], whole[5:2500, 100:1500])
        assert torch.equal(rows[:, ::2], whole[:, ::2])


@pytest.mark.parametrize(
    ("index", "error"), [(7, IndexError), (-8, IndexError), ((0, 0, 0, 0), IndexError), ((..., ...), IndexError),
                         (slice(None, None, -1), IndexError), (None, TypeError), (True, TypeError), ("a", TypeError),
                         (([0], [1]), TypeError), (["a"], TypeError)],
)  # fmt: skip
def test_an_index_that_makes_no_sense_is_refused(uri: str, index: Any, error: type[Exception]) -> None:
    save_file({"a": torch.zeros(7, 6, 5)}, uri)
    with safe_open(uri) as f, pytest.raises(error):
        f.get_slice("a")[index]


def test_a_slice_reads_its_own_bytes_and_no_others(fault_server: FaultServer) -> None:
    """On the wire: rows exactly, and columns exactly where rows are longer than the store joins over."""
    rows, columns = 64, 1 << 18  # of 1 MiB
    whole = torch.arange(rows * columns, dtype=torch.int32).view(rows, columns)
    fault_server.put_object("data", "a.safetensors", reference.save({"x": torch.zeros(1 << 20), "a": whole}))
    options = {**credentials_of(fault_server), "tuning": s3dlio_core.Tuning(coalesce_gap=4096)}
    with safe_open("s3://data/a.safetensors", **options) as f:
        for index, needed in (((slice(10, 14),), 4 << 20), ((slice(None), slice(512, 1024)), rows * 2048)):
            fault_server.forget()
            part = f.get_slice("a")[index]
            asked = [request.headers["range"].removeprefix("bytes=").split("-") for request in fault_server.seen("get")]
            assert sum(int(last) - int(first) + 1 for first, last in asked) == needed
            assert torch.equal(part, whole[index])


# ---- saving ----
def test_a_tensor_that_cannot_be_stored_is_refused_by_name_before_anything_is_written(uri: str, tmp_path: Path) -> None:
    base = torch.zeros(4, 4)
    refused: list[tuple[Any, type[Exception], str]] = [
        ({"a": base.t()}, ValueError, 'tensor "a" is not contiguous'),
        ({"a": torch.eye(3).to_sparse()}, ValueError, 'tensor "a" is torch.sparse_coo'),
        ({"a": base, "b": base}, RuntimeError, "share memory: a, b"),
        ({"a": base, "b": base[1]}, RuntimeError, "share memory: a, b"),
        ({"a": base[:3], "b": base[2:]}, RuntimeError, "share memory: a, b"),
        ({"a": [1.0]}, ValueError, '"a" is a list'),
        ({1: base}, ValueError, "the name 1 is a int"),
        ([base], ValueError, "a list"),
        ({"a": torch.zeros(2, device="meta")}, ValueError, "meta device"),
        ({"a": torch.zeros(2, dtype=torch.complex128)}, UnsupportedOperationError, "complex128"),
    ]
    for tensors, error, message in refused:
        with pytest.raises(error, match=message) as failure:
            save_file(tensors, uri)
        assert isinstance(failure.value, StorageError)
        assert uri in str(failure.value)
    assert not list(tmp_path.iterdir())


def test_parts_of_one_memory_that_do_not_overlap_are_fine(uri: str) -> None:
    """As in the format's own library: views of one storage, side by side."""
    base = torch.arange(16)
    tensors = {"a": base[:8], "b": base[8:]}
    save_file(tensors, uri)
    assert_same(load_file(uri), tensors)


def test_conjugate_views_are_stored_as_their_values(uri: str) -> None:
    whole = torch.tensor([1 + 2j, 3 - 4j], dtype=torch.complex64)
    save_file({"a": whole.conj(), "b": torch.nn.Parameter(torch.ones(2))}, uri)
    assert torch.equal(load_file(uri)["a"], whole.conj().resolve_conj())


def test_a_save_that_fails_leaves_what_was_there(fault_server: FaultServer) -> None:
    options = credentials_of(fault_server) | {"tuning": s3dlio_core.Tuning(max_attempts=1, part_size=5 << 20)}
    save_file({"a": torch.ones(3)}, "s3://data/a.safetensors", **options)
    fault_server.fault("upload_part", status=403, code="AccessDenied", times=None)
    with pytest.raises(s3dlio_core.AccessDeniedError, match=r"a\.safetensors"):
        save_file({"a": torch.zeros(6 << 20)}, "s3://data/a.safetensors", **options)
    assert_same(load_file("s3://data/a.safetensors", **options), {"a": torch.ones(3)})


def test_large_objects_go_in_parts_both_ways(fault_server: FaultServer) -> None:
    options = credentials_of(fault_server)
    expected = {f"{n}": torch.arange(n, n + (n + 1) * 1_000_003, dtype=torch.int32) for n in range(4)}
    expected["t"] = torch.randint(0, 2, (777,)).to(torch.bool)
    save_file(expected, "s3://data/a.safetensors", **options)
    s3dlio_torch.save(expected, "s3://data/a.pt", **options)
    assert fault_server.count("upload_part") >= 8
    assert_same_quickly(load_file("s3://data/a.safetensors", **options), expected)
    assert_same_quickly(s3dlio_torch.load("s3://data/a.pt", **options), expected)


# ---- models ----
class Tied(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(10, 4)
        self.head = torch.nn.Linear(4, 10, bias=False)
        self.head.weight = self.embed.weight
        self.norm = torch.nn.BatchNorm1d(4)


def test_a_model_with_tied_weights_goes_both_ways(uri: str, tmp_path: Path) -> None:
    torch.manual_seed(2)
    model = Tied()
    with pytest.raises(SharedTensorsError, match=r"embed\.weight, head\.weight"):
        save_file(model.state_dict(), uri)
    save_model(model, uri, {"format": "pt"})
    ours, theirs = Tied(), Tied()
    assert load_model(ours, uri) == ([], [])
    assert reference.load_model(theirs, tmp_path / "model.safetensors") == (set(), [])
    for loaded in (ours, theirs):
        assert_same(dict(loaded.state_dict()), dict(model.state_dict()))
    assert ours.head.weight is ours.embed.weight
    reference.save_model(model, tmp_path / "theirs.safetensors")
    assert load_model(Tied(), f"file://{tmp_path}/theirs.safetensors") == ([], [])


# ---- what goes wrong ----
def test_a_missing_object_and_a_uri_without_one(uri: str) -> None:
    with pytest.raises(ObjectNotFoundError, match=r"model\.safetensors"):
        load_file(uri)
    with pytest.raises(InvalidArgumentError, match="names no object"):
        load_file("s3://bucket/")


@pytest.mark.parametrize("cut", [0, 5, 60, 200])
def test_an_object_cut_short_is_refused(uri: str, tmp_path: Path, cut: int) -> None:
    save_file({"a": torch.ones(64)}, uri)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(RecordError, match=r"model\.safetensors"):
        load_file(uri)


def test_an_object_replaced_between_head_and_tensors_is_noticed(uri: str) -> None:
    save_file({"a": torch.ones(64)}, uri)
    with safe_open(uri) as f:
        save_file({"a": torch.zeros(65)}, uri)
        with pytest.raises(PreconditionError):
            f.get_tensor("a")


def test_a_type_this_torch_lacks_is_named(uri: str, tmp_path: Path) -> None:
    head = json.dumps({"a": {"dtype": "F6_E2M3", "shape": [4], "data_offsets": [0, 3]}}).encode()
    (tmp_path / "model.safetensors").write_bytes(len(head).to_bytes(8, "little") + head + bytes(3))
    with pytest.raises(UnsupportedOperationError, match='tensor "a" is of F6_E2M3'):
        load_file(uri)


def test_a_link_to_another_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "snapshot").mkdir()
    reference.save_file({"a": torch.ones(3)}, tmp_path / "blobs" / "f00")
    (tmp_path / "snapshot" / "model.safetensors").symlink_to("../blobs/f00")
    assert_same(load_file(f"file://{tmp_path}/snapshot/model.safetensors"), {"a": torch.ones(3)})


# ---- what passes through staging memory ----
@pytest.fixture
def small_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    from s3dlio_torch import _staging

    monkeypatch.setattr(_staging.StagingPool.__init__, "__kwdefaults__", {"slots": 3, "slot_bytes": 4096})


@pytest.mark.usefixtures("small_slots")
@pytest.mark.parametrize("change", ["strided", "wider", "narrower", "transposed", "expanded rows"])
def test_tensors_that_bytes_cannot_land_in_are_filled_in_pieces(uri: str, change: str) -> None:
    shapes = [(1, 300, 70), (2000,), (), (3, 5, 7, 2), (1, 1, 1, 5000), (40, 1, 100), (0, 3), (9, 9, 9, 9)]
    stored = {f"{number}": torch.randn(shape) for number, shape in enumerate(shapes)}
    makers: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "strided": lambda t: torch.zeros(*t.shape, 2)[..., 1] if t.dim() else torch.zeros(()),
        "wider": lambda t: torch.zeros(t.shape, dtype=torch.float64),
        "narrower": lambda t: torch.zeros(t.shape, dtype=torch.bfloat16),
        "transposed": lambda t: torch.zeros(t.shape[::-1]).permute([*reversed(range(t.dim()))]),
        "expanded rows": lambda t: torch.zeros(t.numel() + 64).as_strided(t.shape, t.stride(), 1),
    }  # fmt: skip
    targets = {name: makers[change](tensor) for name, tensor in stored.items()}
    save_file(stored, uri)
    versions = {name: target._version for name, target in targets.items()}
    load_into(uri, targets)
    for name, tensor in stored.items():
        assert torch.equal(targets[name], tensor.to(targets[name].dtype)), name
        assert targets[name]._version > versions[name]


def test_pool_slots_are_used_again_and_never_more_than_there_are() -> None:
    from s3dlio_torch._staging import StagingPool

    pool = StagingPool(pinned=False, slots=2, slot_bytes=64)
    first, second = pool.take(), pool.take()
    with pytest.raises(AssertionError, match="more slots"):
        pool.take()
    pool.give_back(first)
    assert pool.take() is first
    assert second.memory.numel() == 64


def test_the_default_device_changes_nothing(uri: str) -> None:
    expected = {"a": torch.arange(1000), "b": torch.randn(30, 40)}
    save_file(expected, uri)
    targets = {"a": torch.zeros(1000, dtype=torch.int64), "b": torch.zeros(30, 40, dtype=torch.float64)}
    with torch.device("meta"):
        assert_same(load_file(uri), expected)
        load_into(uri, targets)
        with safe_open(uri) as f:
            assert torch.equal(f.get_slice("b")[:, 3], expected["b"][:, 3])
            assert torch.equal(f.get_slice("b")[5:9], expected["b"][5:9])
        save_file(expected, uri)
    assert torch.equal(targets["b"], expected["b"].to(torch.float64))


@pytest.mark.skipif(not torch.accelerator.is_available(), reason="needs an accelerator")
def test_onto_an_accelerator_and_back(uri: str) -> None:
    device = torch.accelerator.current_accelerator()
    assert device is not None
    expected = {"a": torch.randn(9_000_000), "b": torch.randn(77).to(torch.bfloat16), "c": torch.randn(300, 500)}
    save_file({name: tensor.to(device) for name, tensor in expected.items()}, uri)
    found = load_file(uri, device)
    assert all(tensor.device.type == device.type for tensor in found.values())
    assert all(torch.equal(found[name].cpu(), tensor) for name, tensor in expected.items())
    targets = {name: torch.zeros_like(tensor, device=device, dtype=torch.float64) for name, tensor in expected.items()}
    load_into(uri, targets)
    assert all(torch.equal(targets[name].cpu(), tensor.to(torch.float64)) for name, tensor in expected.items())
    with safe_open(uri, device=str(device)) as f:
        assert torch.equal(f.get_slice("c")[:, 7].cpu(), expected["c"][:, 7])
        assert torch.equal(f.get_slice("c")[10:20].cpu(), expected["c"][10:20])


# ---- memory ----
MEASURE = """
import sys
from pathlib import Path
from s3dlio_torch.safetensors import load_file
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) >> 10
load_file(sys.argv[1])
before = peak()
tensors = load_file(sys.argv[2])
print(peak() - before, sum(t.nbytes for t in tensors.values()) >> 20)
"""


def test_loading_needs_the_tensors_memory_and_little_more(tmp_path: Path) -> None:
    for name, elements in (("small", 1 << 10), ("large", 4 << 20)):
        head, header = build_header([(f"{n}", "F32", (elements,)) for n in range(32)], None, "")
        with (tmp_path / f"{name}.safetensors").open("wb") as file:
            file.write(head)
            file.truncate(max(info.end for info in header.tensors.values()))
    command = [sys.executable, "-c", MEASURE, *(f"file://{tmp_path}/{name}.safetensors" for name in ("small", "large"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    grown, size = map(int, done.stdout.split())
    assert size == 512
    assert size - 8 <= grown <= size + 64


SAVE = """
import sys
from pathlib import Path
import torch
import s3dlio_torch
from s3dlio_torch.safetensors import save_file
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) >> 10
tensors = {f"{n}": torch.ones(8 << 20) for n in range(8)}
for save in (save_file, s3dlio_torch.save):
    save({"a": torch.ones(5)}, sys.argv[1])
    before = peak()
    save(tensors, sys.argv[1])
    print(peak() - before)
"""


def test_saving_needs_no_second_copy(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SAVE, f"file://{tmp_path}/a"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    assert max(map(int, done.stdout.split())) <= 64  # of 256 MiB
    assert len(done.stdout.split()) == 2


def test_names_are_drawn_once_and_in_any_order(uri: str) -> None:
    save_file({"a": torch.zeros(1), "b": torch.ones(1), "c": torch.ones(2)}, uri)
    assert list(load_file(uri, names=itertools.chain(["c"], ["a"]))) == ["a", "c"]


def test_large_tensors_wish_for_huge_pages(tmp_path: Path) -> None:
    """Without them filling fresh memory costs several times what reading the bytes does."""
    if not Path("/sys/kernel/mm/transparent_hugepage/enabled").exists():
        pytest.skip("this kernel has no huge pages")
    uri = f"file://{tmp_path}/large.safetensors"
    save_file({"large": torch.ones(16 << 20, dtype=torch.uint8), "small": torch.ones(8)}, uri)
    large = load_file(uri)["large"]
    inside = large.data_ptr() + large.nbytes // 2
    wanted = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if match := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            wanted = int(match[1], 16) <= inside < int(match[2], 16)
        elif line.startswith("VmFlags:") and wanted:
            assert "hg" in line.split()
            return
    pytest.fail("the tensor's memory is not in the list of mappings")
