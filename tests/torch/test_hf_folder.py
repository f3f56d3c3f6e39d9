"""Weights spread over several safetensors objects with an index, as Hugging Face lays them out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch as reference
import torch
from servers.access import credentials_of
from servers.fault_server import FaultServer

import s3dlio_core
from s3dlio_core.errors import CheckpointError, InvalidArgumentError, ObjectExistsError, StorageError
from s3dlio_torch.safetensors import LoadReport, load_into, load_sharded, save_sharded

INDEX = "model.safetensors.index.json"


class Small(torch.nn.Module):
    def __init__(self, seed: int = 0) -> None:
        torch.manual_seed(seed)
        super().__init__()
        self.embed = torch.nn.Embedding(50, 16)
        self.layers = torch.nn.ModuleList(torch.nn.Linear(16, 16) for _ in range(4))
        self.norm = torch.nn.BatchNorm1d(16)
        self.head = torch.nn.Linear(16, 50, bias=False)
        self.head.weight = self.embed.weight


def weights_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    weights = dict(model.state_dict())
    del weights["head.weight"]  # tied
    return weights


def assert_equal(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


@pytest.fixture(params=["file", "seaweedfs"])
def place(request: pytest.FixtureRequest, tmp_path: Path, name: str) -> tuple[str, dict[str, Any]]:
    """A folder's URI and the options its stores need."""
    if request.param == "file":
        return f"file://{tmp_path}/llama", {}
    return f"s3://train/{name}", credentials_of(request.getfixturevalue("seaweedfs"))


def names_in(folder: str, options: dict[str, Any]) -> list[str]:
    with s3dlio_core.open_store(folder, **options) as store:
        return [meta.key for meta in store.list()]


def test_a_sharded_save_is_a_folder_that_hugging_face_reads_and_so_do_we(
    place: tuple[str, dict[str, Any]], tmp_path: Path
) -> None:
    folder, options = place
    expected = weights_of(Small())
    written = save_sharded(expected, folder, max_shard_bytes=2500, **options)
    assert written[-1] == INDEX
    assert len(written) > 3
    assert names_in(folder, options) == sorted(written)
    with s3dlio_core.open_store(folder, **options) as store:
        index = json.loads(bytes(store.get(INDEX)))
        assert index["metadata"]["total_size"] == sum(tensor.nbytes for tensor in expected.values())
        theirs: dict[str, torch.Tensor] = {}
        for file in written[:-1]:
            held = reference.load(bytes(store.get(file)))
            assert sum(tensor.nbytes for tensor in held.values()) <= 2500 or len(held) == 1
            assert {index["weight_map"][name] for name in held} == {file}
            theirs |= held
    assert_equal(theirs, expected)
    for uri in (folder, f"{folder}/", f"{folder}/{INDEX}"):
        assert_equal(load_sharded(uri, **options), expected)


def test_into_a_model_with_tied_weights(place: tuple[str, dict[str, Any]]) -> None:
    folder, options = place
    stored, model = Small(seed=1), Small(seed=2)
    save_sharded(weights_of(stored), folder, max_shard_bytes=3000, **options)
    addresses = {name: tensor.data_ptr() for name, tensor in model.state_dict().items()}
    assert load_into(folder, model, **options) == LoadReport([], [])
    assert_equal(dict(model.state_dict()), dict(stored.state_dict()))
    assert addresses == {name: tensor.data_ptr() for name, tensor in model.state_dict().items()}
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_weights_that_fit_are_one_object_and_replace_what_was_there_only_if_told(tmp_path: Path) -> None:
    folder = f"file://{tmp_path}/"
    expected = weights_of(Small())
    assert save_sharded(expected, folder) == ["model.safetensors"]
    with pytest.raises(ObjectExistsError, match="overwrite=True"):
        save_sharded(expected, folder, max_shard_bytes=2000)
    (tmp_path / "config.json").write_text("{}")
    sharded = save_sharded(weights_of(Small(1)), folder, max_shard_bytes=2000, overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == {*sharded, "config.json"}
    fewer = save_sharded(weights_of(Small(2)), folder, max_shard_bytes=6000, overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == {*fewer, "config.json"}
    save_sharded(weights_of(Small(3)), folder, overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == {"model.safetensors", "config.json"}
    assert_equal(load_sharded(folder), weights_of(Small(3)))
    with pytest.raises(InvalidArgumentError, match="max_shard_bytes is 0"):
        save_sharded(expected, folder, max_shard_bytes=0)


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_a_save_that_breaks_off_is_not_mistaken_for_weights(fault_server: FaultServer, failing: int) -> None:
    options = {**credentials_of(fault_server), "tuning": s3dlio_core.Tuning(max_attempts=1)}
    folder = "s3://data/llama/"
    old, new = weights_of(Small(1)), weights_of(Small(2))
    save_sharded(old, folder, max_shard_bytes=4000, **options)
    fault_server.fault("put", status=403, code="AccessDenied", times=None, skip=failing)
    with pytest.raises(s3dlio_core.AccessDeniedError):
        save_sharded(new, folder, max_shard_bytes=4000, overwrite=True, **options)
    with pytest.raises(CheckpointError, match="index is missing"):
        load_sharded(folder, **options)
    fault_server.heal()
    save_sharded(new, folder, max_shard_bytes=4000, overwrite=True, **options)
    assert_equal(load_sharded(folder, **options), new)


def test_a_folder_without_an_index_is_all_its_objects(tmp_path: Path) -> None:
    reference.save_file({"a": torch.ones(2)}, tmp_path / "one.safetensors")
    reference.save_file({"b": torch.zeros(2)}, tmp_path / "two.safetensors")
    (tmp_path / "README.md").write_text("words")
    assert_equal(load_sharded(f"file://{tmp_path}"), {"a": torch.ones(2), "b": torch.zeros(2)})
    reference.save_file({"b": torch.zeros(2)}, tmp_path / "three.safetensors")
    with pytest.raises(CheckpointError, match=r"both .*three\.safetensors and this hold the tensor \"b\""):
        load_sharded(f"file://{tmp_path}")
    reference.save_file({"c": torch.zeros(1)}, tmp_path / "model.safetensors")
    assert list(load_sharded(f"file://{tmp_path}")) == ["c"]


def test_a_cache_of_links_is_a_folder_like_any(tmp_path: Path) -> None:
    """As Hugging Face keeps downloads: a snapshot of links to blobs."""
    (tmp_path / "blobs").mkdir()
    (tmp_path / "snapshot").mkdir()
    expected = weights_of(Small())
    for number, name in enumerate(save_sharded(expected, f"file://{tmp_path}/snapshot", max_shard_bytes=2500)):
        (tmp_path / "snapshot" / name).rename(tmp_path / "blobs" / f"{number}")
        (tmp_path / "snapshot" / name).symlink_to(f"../blobs/{number}")
    assert_equal(load_sharded(f"file://{tmp_path}/snapshot"), expected)


def test_only_the_named_tensors_are_read(fault_server: FaultServer) -> None:
    options = credentials_of(fault_server)
    weights = {f"{number}": torch.full((1 << 18,), float(number)) for number in range(6)}
    save_sharded(weights, "s3://data/m", max_shard_bytes=2 << 20, **options)
    fault_server.forget()
    assert_equal(load_sharded("s3://data/m", names=["3", "4"], **options), {"3": weights["3"], "4": weights["4"]})
    assert fault_server.bytes_sent < (2 << 20) + 3 * (128 << 10) + (64 << 10)
    with pytest.raises(KeyError, match="no tensor 9"):
        load_sharded("s3://data/m", names=["3", "9"], **options)


def test_objects_are_read_side_by_side(fault_server: FaultServer) -> None:
    options = credentials_of(fault_server)
    save_sharded({f"{n}": torch.zeros(1 << 16) for n in range(8)}, "s3://data/m", max_shard_bytes=1 << 18, **options)
    fault_server.forget()
    fault_server.fault("get", times=None, delay_head_seconds=0.05)
    load_sharded("s3://data/m", **options)
    assert fault_server.peak_concurrency >= 4


# ---- what does not fit ----
@pytest.fixture
def folder(tmp_path: Path) -> str:
    save_sharded(weights_of(Small(1)), f"file://{tmp_path}", max_shard_bytes=2500)
    return f"file://{tmp_path}"


def rewrite_index(tmp_path: Path, change: Any) -> None:
    index = json.loads((tmp_path / INDEX).read_text())
    change(index)
    (tmp_path / INDEX).write_text(json.dumps(index))


def test_an_index_and_objects_that_disagree_are_named(folder: str, tmp_path: Path) -> None:
    rewrite_index(tmp_path, lambda index: index["weight_map"].update(ghost="model-00001-of-00003.safetensors"))
    files = sorted(path.name for path in tmp_path.glob("*.safetensors"))
    rewrite_index(tmp_path, lambda index: index["weight_map"].update(ghost=files[0]))
    with pytest.raises(CheckpointError, match=f'{files[0]} holds the tensor "ghost", and it does not'):
        load_sharded(folder)
    rewrite_index(tmp_path, lambda index: index["weight_map"].pop("ghost"))
    (tmp_path / files[1]).unlink()
    with pytest.raises(s3dlio_core.ObjectNotFoundError, match=files[1]):
        load_sharded(folder)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"weight_map": {}}', '{"weight_map": {"a": 1}}', '{"weight_map": {"a": "../x.safetensors"}}',
     '{"weight_map": {"a": "x.bin"}}', "[" * 100_000],
)  # fmt: skip
def test_an_index_that_is_none_or_leads_elsewhere_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / INDEX).write_text(text)
    with pytest.raises(CheckpointError, match=r"index\.json: the index cannot be read"):
        load_sharded(f"file://{tmp_path}/")


def test_folders_that_hold_no_weights_or_too_many(tmp_path: Path, fault_server: FaultServer) -> None:
    with pytest.raises(CheckpointError, match=r"no \.safetensors object"):
        load_sharded(f"file://{tmp_path}")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        load_sharded(f"file://{tmp_path}/none")
    with pytest.raises(CheckpointError, match="found 0 other names"):
        load_sharded("s3://data/none", **credentials_of(fault_server))
    for name in ("a", "b"):
        (tmp_path / f"{name}.safetensors.index.json").write_text("{}")
    with pytest.raises(CheckpointError, match="2 indexes"):
        load_sharded(f"file://{tmp_path}")


def test_a_target_that_does_not_fit_is_left_as_it_is(folder: str) -> None:
    targets = {name: torch.zeros_like(tensor) for name, tensor in weights_of(Small()).items()}
    misfits: list[tuple[dict[str, Any], str]] = [
        ({**targets, "extra": torch.zeros(1)}, "missing: extra"),
        ({name: tensor for name, tensor in targets.items() if name != "norm.weight"}, r"unexpected: norm\.weight"),
        ({**targets, "norm.weight": torch.zeros(3)}, r'tensor "norm\.weight" is stored with the shape \[16\]'),
        ({**targets, "norm.weight": torch.zeros(16, device="meta")}, "to_empty"),
        ({**targets, "norm.weight": torch.zeros(16).to_sparse()}, "plain dense"),
    ]
    for target, message in misfits:
        with pytest.raises(CheckpointError, match=message) as failure:
            load_into(folder, target)
        assert isinstance(failure.value, StorageError)
    assert not any(tensor.any() for tensor in targets.values())


def test_what_is_missing_or_too_much_is_told_when_that_is_allowed(folder: str) -> None:
    expected = weights_of(Small(1))
    targets: dict[str, Any] = {name: torch.zeros_like(tensor) for name, tensor in expected.items()}
    del targets["norm.weight"]
    targets |= {"extra": torch.zeros(1), "_extra_state": {"no": "tensor"}}
    assert load_into(folder, targets, strict=False) == LoadReport(["extra"], ["norm.weight"])
    assert torch.equal(targets["embed.weight"], expected["embed.weight"])
    one = {name: torch.zeros_like(tensor) for name, tensor in expected.items()}
    assert load_into(folder, one, names=["norm.bias", "embed.weight"]) == LoadReport([], [])
    assert torch.equal(one["embed.weight"], expected["embed.weight"])
    assert not one["layers.0.weight"].any()
    with pytest.raises(KeyError, match="no tensor ghost"):
        load_into(folder, one, names=["ghost"])
