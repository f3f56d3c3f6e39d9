"""Code written for the safetensors package runs with this one: the same arguments, the same answers, local paths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import safetensors
import safetensors.torch as reference
import torch

import s3dlio_torch
import s3dlio_torch.safetensors as ours
from s3dlio_core import InvalidArgumentError, RecordError, stat
from s3dlio_core.errors import CheckpointError, ObjectNotFoundError

TENSORS = {"a": torch.arange(60.0).view(3, 4, 5), "b": torch.ones(2), "scalar": torch.tensor(7)}


def same(found: Any, expected: Any) -> bool:
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("spelled", ["str", "Path", "relative", "uri", "Path of a uri"])
def test_local_paths_and_paths_of_uris(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelled: str) -> None:
    monkeypatch.chdir(tmp_path)
    place: Any = {
        "str": f"{tmp_path}/w.safetensors", "Path": tmp_path / "w.safetensors", "relative": "w.safetensors",
        "uri": f"file://{tmp_path}/w.safetensors", "Path of a uri": Path(f"file://{tmp_path}/w.safetensors"),
    }[spelled]  # fmt: skip
    ours.save_file(TENSORS, place)
    assert same(reference.load_file(tmp_path / "w.safetensors"), TENSORS)
    assert same(ours.load_file(place), TENSORS)
    assert same(ours.load_sharded(place), TENSORS)
    assert (
        stat(f"file:/{tmp_path}/w.safetensors".replace("//", "/")).size == (tmp_path / "w.safetensors").stat().st_size
    )
    folder: Any = {"str": str(tmp_path), "Path": tmp_path, "relative": ".", "uri": f"file://{tmp_path}"}.get(
        spelled, Path(f"file://{tmp_path}")
    )
    ours.save_sharded(TENSORS, folder)
    assert same(reference.load_file(tmp_path / "model.safetensors"), TENSORS)
    assert same(ours.load_sharded(folder), TENSORS)
    s3dlio_torch.save(TENSORS, tmp_path / "w.pt")
    assert same(torch.load(tmp_path / "w.pt"), TENSORS)
    assert same(s3dlio_torch.load(tmp_path / "w.pt"), TENSORS)


def test_filename_and_device_by_name(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    model, other = torch.nn.Linear(3, 4), torch.nn.Linear(3, 4)
    for module in (ours, reference):
        module.save_file(tensors=TENSORS, filename=path, metadata={"x": "y"})
        assert same(module.load_file(filename=path, device="cpu"), TENSORS)
        module.save_model(model, filename=str(path), force_contiguous=True)
        missing, unexpected = module.load_model(other, filename=path, strict=True, device="cpu")
        assert (list(missing), list(unexpected)) == ([], [])
        assert torch.equal(other.weight, model.weight)
    for opened in (ours.safe_open, safetensors.safe_open):
        with opened(filename=path, framework="pt", device="cpu") as file:
            assert same(file.get_tensors(), dict(model.state_dict()))
    for wrong in ({}, {"uri": path, "filename": path}):
        with pytest.raises(TypeError, match="once"):
            ours.load_file(**wrong)


@pytest.mark.parametrize("metadata", [None, {}, {"format": "pt"}])
def test_metadata_that_is_empty_is_not_none(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    path, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.save_file(TENSORS, path, metadata)
    reference.save_file(TENSORS, theirs, metadata)
    assert path.read_bytes() == theirs.read_bytes()
    for opened in (ours.safe_open, safetensors.safe_open):
        with opened(path, framework="pt") as file:
            assert file.metadata() == metadata


INDEXES: list[Any] = [
    (), ..., [], [0, 2], [2, 0, 1], [-1], (slice(None), []), (slice(None), [1, 3]), (slice(1, 3), [3, 0]),
    (..., [4, 0]), (0, [1, 2]), (slice(0, 0),), slice(5, 9), (..., slice(1, 1)), slice(-2, None), -1,
    (slice(None), 1, [0]),
]  # fmt: skip


@pytest.mark.parametrize("index", INDEXES, ids=str)
def test_indexes_give_what_torch_gives(tmp_path: Path, index: Any) -> None:
    reference.save_file(TENSORS, tmp_path / "w")
    with ours.safe_open(tmp_path / "w") as file:
        found = file.get_slice("a")[index]
    assert torch.equal(found, TENSORS["a"][index])
    with safetensors.safe_open(tmp_path / "w", framework="pt") as file:
        try:
            theirs = file.get_slice("a")[index]
        except Exception:  # it knows fewer kinds
            return
    assert theirs.flatten().tolist() == found.flatten().tolist()


def test_a_list_outside_the_tensor_is_an_index_error(tmp_path: Path) -> None:
    reference.save_file(TENSORS, tmp_path / "w")
    with ours.safe_open(tmp_path / "w") as file:
        part = file.get_slice("a")
        for index, kind in (
            ([3], IndexError),
            ((0, 0, 0, [0]), IndexError),
            (([0], [0]), TypeError),
            (["x"], TypeError),
        ):
            with pytest.raises(kind):
                part[index]


def test_a_closed_file_answers_nothing(tmp_path: Path) -> None:
    reference.save_file(TENSORS, tmp_path / "w")
    for opened, error in ((ours.safe_open, InvalidArgumentError), (safetensors.safe_open, safetensors.SafetensorError)):
        with opened(tmp_path / "w", framework="pt") as file:
            file.keys()
        for ask in (
            file.keys,
            file.offset_keys,
            file.metadata,
            file.get_tensors,
            lambda file=file: file.get_tensor("a"),
        ):
            with pytest.raises(error, match="closed"):
                ask()


def test_force_contiguous(tmp_path: Path) -> None:
    model = torch.nn.Linear(3, 4)
    model.weight = torch.nn.Parameter(torch.randn(3, 4).t())
    assert not model.weight.is_contiguous()
    with pytest.raises(InvalidArgumentError, match="not contiguous"):
        ours.save_model(model, tmp_path / "w", force_contiguous=False)
    ours.save_model(model, tmp_path / "w")
    reference.save_model(model, str(tmp_path / "theirs"))
    assert (tmp_path / "w").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_strangers_are_called_by_their_names(tmp_path: Path) -> None:
    lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 5\n"
    (tmp_path / "w.safetensors").write_bytes(lfs)
    (tmp_path / "w.pt").write_bytes(lfs)
    (tmp_path / "page.pt").write_bytes(b"<html>" + b" " * 500)
    torch.save(TENSORS, tmp_path / "saved.safetensors")
    with pytest.raises(RecordError, match=r"Git LFS pointer.*git lfs pull"):
        ours.load_file(tmp_path / "w.safetensors")
    with pytest.raises(RecordError, match="zip archive"):
        ours.load_file(tmp_path / "saved.safetensors")
    for weights_only in (True, False):
        with pytest.raises(CheckpointError, match="Git LFS pointer"):
            s3dlio_torch.load(tmp_path / "w.pt", weights_only=weights_only)
        with pytest.raises(CheckpointError, match="page of HTML"):
            s3dlio_torch.load(tmp_path / "page.pt", weights_only=weights_only)
    with pytest.raises(ObjectNotFoundError, match=r"file:///.*nowhere"):
        ours.load_file(tmp_path / "nowhere")
