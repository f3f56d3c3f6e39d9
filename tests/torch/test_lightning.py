"""S3LightningCheckpoint under a real Trainer."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from servers.access import credentials_of

import s3dlio_core
from s3dlio_torch.pt import UnsafePickleError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of packages Lightning imports
    lightning = pytest.importorskip("lightning.pytorch")
    from s3dlio_torch.lightning import S3LightningCheckpoint

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's own, about workers, loggers and paths


class Model(lightning.LightningModule):  # type: ignore[misc,name-defined]
    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.layer = torch.nn.Linear(4, 2)

    def training_step(self, batch: torch.Tensor, _: int) -> torch.Tensor:
        return self.layer(batch).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=0.1)

    def train_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(torch.ones(8, 4), batch_size=4)


def trainer(plugin: Any, folder: Path, epochs: int) -> Any:
    return lightning.Trainer(
        plugins=[plugin], max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=folder,
    )  # fmt: skip


@pytest.fixture(params=["file", "seaweedfs", "path"])
def place(request: pytest.FixtureRequest, tmp_path: Path, name: str) -> tuple[str, dict[str, Any]]:
    if request.param == "seaweedfs":
        return f"s3://train/{name}/last.ckpt", credentials_of(request.getfixturevalue("seaweedfs"))
    return f"{'file://' if request.param == 'file' else ''}{tmp_path}/last.ckpt", {}


def test_a_trainer_saves_and_goes_on(place: tuple[str, dict[str, Any]], tmp_path: Path) -> None:
    path, options = place
    endpoint = options.pop("endpoint_url", None)
    plugin = S3LightningCheckpoint(options.pop("region", None), endpoint=endpoint, **options)
    first = Model(seed=1)
    one = trainer(plugin, tmp_path, epochs=2)
    one.fit(first)
    one.save_checkpoint(path)
    second = Model(seed=2)
    other = trainer(plugin, tmp_path, epochs=2)
    other.fit(second, ckpt_path=path)  # nothing is left to train
    assert other.global_step == one.global_step
    assert torch.equal(second.layer.weight, first.layer.weight)
    stored = plugin.load_checkpoint(path)
    assert stored["epoch"] == 2
    assert torch.equal(stored["state_dict"]["layer.weight"], first.layer.weight)
    plugin.remove_checkpoint(path)
    plugin.remove_checkpoint(path)
    with pytest.raises(s3dlio_core.ObjectNotFoundError):
        plugin.load_checkpoint(path)
    plugin.teardown()


def test_what_is_not_weights_needs_a_word(tmp_path: Path) -> None:
    plugin = S3LightningCheckpoint()
    plugin.save_checkpoint({"where": Path("x"), "a": torch.ones(2)}, tmp_path / "a.ckpt")
    with pytest.raises(UnsafePickleError):
        plugin.load_checkpoint(tmp_path / "a.ckpt")
    assert plugin.load_checkpoint(tmp_path / "a.ckpt", weights_only=False)["where"] == Path("x")
    assert plugin.load_checkpoint(tmp_path / "a.ckpt", "meta", weights_only=False)["a"].device.type == "meta"
    with pytest.raises(TypeError, match="storage_options"):
        plugin.save_checkpoint({}, tmp_path / "b.ckpt", storage_options={"a": 1})


WITHOUT = """
import sys
for name in ("lightning", "pytorch_lightning"):
    sys.modules[name] = None
try:
    import s3dlio_torch.lightning
except ImportError as error:
    print(error)
"""


def test_without_lightning_it_says_what_to_install() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=100, check=True)
    assert done.stdout.strip() == "s3dlio_torch.lightning needs Lightning: pip install lightning"


OTHER_NAME = """
import warnings
warnings.simplefilter("ignore")
from pytorch_lightning.plugins.io import CheckpointIO
from s3dlio_torch.lightning import S3LightningCheckpoint
print(issubclass(S3LightningCheckpoint, CheckpointIO))
"""


def test_it_belongs_to_the_lightning_that_is_in_use() -> None:
    """The same library under its other name; the tests above use the first."""
    done = subprocess.run([sys.executable, "-c", OTHER_NAME], capture_output=True, text=True, timeout=100, check=True)
    assert done.stdout.strip().endswith("True")


@pytest.mark.parametrize("spelled", [str, Path, lambda path: f"file://{path}"])
def test_options_of_the_service_do_not_keep_it_from_local_paths(tmp_path: Path, spelled: Any) -> None:
    plugin = S3LightningCheckpoint(region="eu-central-1", endpoint="https://nowhere.invalid", profile=None)
    place = spelled(tmp_path / "last.ckpt")
    plugin.save_checkpoint({"step": 3, "weight": torch.ones(2)}, place)
    assert plugin.load_checkpoint(place)["step"] == 3
    plugin.remove_checkpoint(place)
    assert list(tmp_path.iterdir()) == []


def test_folders_in_a_bucket_need_s3fs_as_the_page_says(tmp_path: Path) -> None:
    if importlib.util.find_spec("s3fs") is not None:
        pytest.skip("s3fs is installed here")
    plugin = S3LightningCheckpoint(region="eu-central-1")
    with pytest.raises(ImportError, match="s3fs"):
        lightning.callbacks.ModelCheckpoint(dirpath="s3://train/run")
    # Where the folder is local the plugin does all of it.
    callback = lightning.callbacks.ModelCheckpoint(dirpath=tmp_path / "kept", save_last=True)
    run = lightning.Trainer(
        plugins=[plugin], callbacks=[callback], max_epochs=1, accelerator="cpu", logger=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
    )  # fmt: skip
    run.fit(Model(seed=1))
    assert plugin.load_checkpoint(tmp_path / "kept" / "last.ckpt")["epoch"] == 0
