"""What each rank reads of one dataset under the frameworks that drive training. For rank_processes, and as a program:

python framework_ranks.py URI OUT       Lightning starts the ranks itself; each leaves what it read in OUT
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from dataset_files import flat, index_of
from torch.utils.data import DataLoader

from s3dlio_torch import S3IterableDataset

BATCH = 4
SHARED = {"batch_size": BATCH}


class Doubled(torch.utils.data.IterableDataset):  # type: ignore[type-arg]
    """A dataset of the user's own around ours."""

    def __init__(self, samples: S3IterableDataset) -> None:
        self.samples = samples

    def __iter__(self) -> Any:
        return (2 * index for index in self.samples)


def made(uri: str, **options: Any) -> S3IterableDataset:
    return S3IterableDataset(uri, {**SHARED, **options}, transform=index_of)


def loader_of(dataset: Any, workers: int, context: str | None = None, *, keep: bool = False) -> Any:
    return DataLoader(
        dataset, batch_size=BATCH, num_workers=workers, multiprocessing_context=context, persistent_workers=keep
    )


def as_torchrun_says() -> None:
    """What accelerate asks for, although the ranks have met already."""
    os.environ |= {"LOCAL_RANK": os.environ["RANK"], "LOCAL_WORLD_SIZE": os.environ["WORLD_SIZE"]}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


def accelerated(uri: str) -> dict[str, Any]:
    """What this rank reads through loaders that accelerate prepared, and beside them."""
    from accelerate import Accelerator
    from accelerate.utils import DataLoaderConfiguration

    as_torchrun_says()
    seen: dict[str, Any] = {}
    for dispatch in (None, False):
        accelerator = Accelerator(cpu=True, dataloader_config=DataLoaderConfiguration(dispatch_batches=dispatch))
        for workers, context in ((0, None), (2, "fork"), (1, "spawn")):
            loader = accelerator.prepare(loader_of(made(uri), workers, context))
            seen[f"dispatch={dispatch}, {workers} {context}"] = flat(loader)
            seen[f"length, dispatch={dispatch}, {workers} {context}"] = len(loader)
        kept = accelerator.prepare(loader_of(made(uri), 2, "fork", keep=True))
        seen[f"first epoch of kept workers, dispatch={dispatch}"] = flat(kept)
        seen[f"second epoch of kept workers, dispatch={dispatch}"] = flat(kept)
        stateful = DataLoaderConfiguration(dispatch_batches=dispatch, use_stateful_dataloader=True)
        prepared = Accelerator(cpu=True, dataloader_config=stateful).prepare(loader_of(made(uri), 2, "fork"))
        seen[f"stateful, dispatch={dispatch}"] = flat(prepared)
        wrapped = accelerator.prepare(loader_of(Doubled(made(uri)), 0))
        seen[f"wrapped, dispatch={dispatch}"] = [index // 2 for index in flat(wrapped)]
        dataset = made(uri)
        flat(accelerator.prepare(loader_of(dataset, 0)))
        seen[f"not prepared, after dispatch={dispatch}"] = flat(loader_of(dataset, 0))
        for workers in (0, 1):
            seen[f"refusal, dispatch={dispatch}, {workers}"] = _refusal(accelerator, uri, workers)
    seen["not prepared, forked"] = flat(loader_of(made(uri), 2, "fork"))
    seen["not prepared, spawned"] = flat(loader_of(made(uri), 1, "spawn"))
    return seen


def _refusal(accelerator: Any, uri: str, workers: int) -> str:
    loader = accelerator.prepare(loader_of(made(uri, shard_rank=1, shard_world_size=2), workers))
    try:
        flat(loader)
    except ValueError as error:
        return str(error)
    return ""


def trained(uri: str, out: str) -> dict[str, Any]:
    """What this rank's model is given by Hugging Face's Trainer, in two epochs."""
    from transformers import PretrainedConfig, PreTrainedModel, Trainer, TrainingArguments

    as_torchrun_says()

    class Model(PreTrainedModel):  # type: ignore[misc]
        config_class = PretrainedConfig

        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.scale = torch.nn.Linear(1, 1)
            self.seen: list[int] = []
            self.post_init()

        def forward(self, index: torch.Tensor) -> dict[str, torch.Tensor]:
            self.seen += index.flatten().tolist()
            return {"loss": self.scale(index.float().reshape(-1, 1)).square().mean() * 1e-9}

    seen: dict[str, Any] = {}
    for dispatch in (None, False):
        model = Model(PretrainedConfig())
        arguments = TrainingArguments(
            out, per_device_train_batch_size=BATCH, num_train_epochs=2, use_cpu=True, report_to=[], save_strategy="no",
            disable_tqdm=True, dataloader_num_workers=0, logging_strategy="no", remove_unused_columns=False,
            accelerator_config={"dispatch_batches": dispatch},
        )  # fmt: skip
        dataset = S3IterableDataset(
            uri, {**SHARED, "shuffle": True}, transform=lambda sample: {"index": index_of(sample)}
        )
        trainer = Trainer(model=model, args=arguments, train_dataset=dataset)
        trainer.train()
        seen[f"epochs, dispatch={dispatch}"] = model.seen
        if dispatch is None:
            seen["examples"] = trainer.num_examples(trainer.get_train_dataloader())
    return seen


def lightning_model(dataset: S3IterableDataset, workers: int) -> Any:
    import lightning.pytorch as lightning

    class Model(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(1, 1)
            self.seen: list[int] = []

        def training_step(self, batch: torch.Tensor, _: int) -> torch.Tensor:
            self.seen += batch.tolist()
            return self.layer(batch.float().reshape(-1, 1)).square().mean() * 1e-9

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.0)

        def train_dataloader(self) -> Any:
            return loader_of(dataset, workers, "spawn" if workers == 1 else None)

    return Model()


def main(uri: str, out: str) -> None:
    """Lightning's own start: the datasets are made before there is a group, and the ranks are forked after that."""
    import lightning.pytorch as lightning
    from lightning.pytorch.strategies import DDPStrategy

    class OneReader(DDPStrategy):
        """As under tensor parallelism: both processes are one rank as far as data go."""

        @property
        def distributed_sampler_kwargs(self) -> dict[str, Any]:
            return {"num_replicas": 1, "rank": 0}

    class Keep(lightning.Callback):
        def __init__(self, name: str) -> None:
            self.name = name

        def on_train_end(self, trainer: Any, module: Any) -> None:
            Path(out, f"{self.name}-{trainer.global_rank}").write_text(json.dumps(module.seen))

    for name, workers, strategy in (
        ("ddp-0", 0, "ddp_fork"),
        ("ddp-2", 2, "ddp_fork"),
        ("ddp-1", 1, "ddp_fork"),
        ("one", 0, OneReader(start_method="fork", process_group_backend="gloo")),
    ):
        trainer = lightning.Trainer(
            strategy=strategy, devices=2, accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, callbacks=[Keep(name)], default_root_dir=out,
            num_sanity_val_steps=0,
        )  # fmt: skip
        trainer.fit(lightning_model(made(uri), workers))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    main(*sys.argv[1:])
