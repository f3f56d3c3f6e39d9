"""Lightning keeps its checkpoints in a store: python examples/lightning_checkpoint.py [uri of a folder]

Needs Lightning: pip install lightning
"""

import logging
import sys
import tempfile
import warnings

import lightning.pytorch as lightning
import torch
from torch.utils.data import DataLoader

from s3dlio_torch.lightning import S3LightningCheckpoint

warnings.filterwarnings("ignore")  # Lightning's advice on workers and log intervals
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


class Regression(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(8, 1)

    def training_step(self, batch: torch.Tensor, batch_index: int) -> torch.Tensor:
        return (self.layer(batch) - batch.sum(dim=1, keepdim=True)).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=0.05)


def make_trainer(epochs: int, folder: str) -> lightning.Trainer:
    return lightning.Trainer(
        plugins=[S3LightningCheckpoint()],  # region, endpoint, tuning, ... go here
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )


def main(uri: str) -> None:
    path = uri.rstrip("/") + "/last.ckpt"
    loader = DataLoader(torch.randn(64, 8), batch_size=16)
    with tempfile.TemporaryDirectory() as folder:
        first = make_trainer(2, folder)
        first.fit(Regression(), loader)
        first.save_checkpoint(path)
        print(f"saved after step {first.global_step}")

        second = make_trainer(4, folder)
        second.fit(Regression(), loader, ckpt_path=path)
        print(f"went on to step {second.global_step}")
        second.strategy.remove_checkpoint(path)


if __name__ == "__main__":
    torch.manual_seed(0)
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as place:
            main(f"file://{place}")
