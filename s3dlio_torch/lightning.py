"""S3LightningCheckpoint: where Lightning's Trainer keeps its checkpoints.

Usage::

    trainer = Trainer(plugins=[S3LightningCheckpoint(region="eu-central-1")])
    trainer.save_checkpoint("s3://runs/a/last.ckpt")
    trainer.fit(model, ckpt_path="s3://runs/a/last.ckpt")
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from s3dlio_torch import pt
from s3dlio_torch._stores import Stores
from s3dlio_torch.client_config import store_options_of

__all__ = ["S3LightningCheckpoint"]

# The same library under two names, whose classes do not know each other.
_MODULES = ("lightning.pytorch.plugins.io", "pytorch_lightning.plugins.io")


def _checkpoint_io() -> Any:
    """The interface of the Lightning that is in use: the one imported already, else the one installed."""
    imported = [name for name in _MODULES if name.partition(".")[0] in sys.modules]
    for name in [*imported, *_MODULES]:
        try:
            return importlib.import_module(name).CheckpointIO
        except ModuleNotFoundError as error:
            if not name.startswith(error.name or "?"):  # Lightning is there, and something it needs is not
                raise
    raise ImportError("s3dlio_torch.lightning needs Lightning: pip install lightning")


class S3LightningCheckpoint(_checkpoint_io()):  # type: ignore[misc]
    """Checkpoints over every store, read with many storages on their way at once and compared with their checksums.

    Args:
        region, endpoint: Of the service; the environment fills what is missing.
        s3client_config: An S3ClientConfig, ours or AWS's connector's.
        store_options: As open_store() takes them; `tuning` too. Local paths, which Lightning uses beside remote ones,
            are opened without them.
    """

    def __init__(
        self,
        region: str | None = None,
        s3client_config: Any = None,
        endpoint: str | None = None,
        **store_options: Any,
    ) -> None:
        super().__init__()
        self._options = store_options_of(
            store_options, region=region, endpoint=endpoint, s3client_config=s3client_config
        )

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Store `checkpoint` at `path`, a URI or a local path; it appears as a whole, or not at all.

        Raises:
            TypeError: `storage_options` are given: this class is told what it needs when it is made.
            StorageError: It could not be stored; what was there before stays.
        """
        if storage_options is not None:
            raise TypeError("storage_options are not used here; give S3LightningCheckpoint its options when it is made")
        with self._stores() as stores:
            pt.save_to(stores, checkpoint, path)

    def load_checkpoint(
        self, path: str | os.PathLike[str], map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """What is stored at `path`.

        Args:
            weights_only: False lets the pickle run whatever it says; None: True.
        Raises:
            UnsafePickleError: It holds more than weights and containers, and `weights_only` is not False.
        """
        weights_only = True if weights_only is None else weights_only
        with self._stores() as stores:
            loaded: dict[str, Any] = pt.load_from(stores, path, map_location, weights_only)
            return loaded

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Delete it; nothing there is no error.

        Raises:
            StorageError: The store does not delete it.
        """
        with self._stores() as stores:
            store, key = stores.at(path, "remove_checkpoint")
            store.delete([key])

    def teardown(self) -> None:
        """Nothing is held between calls."""

    def _stores(self) -> Stores:
        options = dict(self._options)
        return Stores(options.pop("tuning", None), options, remote_only=True)
