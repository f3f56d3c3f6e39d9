"""Datasets over object stores and disks for PyTorch. Bytes arrive in the memory that becomes the tensor."""

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError("s3dlio_torch needs PyTorch 2.10 or newer: pip install torch") from error

from s3dlio_torch.iterable_dataset import S3IterableDataset
from s3dlio_torch.map_dataset import S3MapDataset
from s3dlio_torch.sample import SampleReader

__all__ = ["S3IterableDataset", "S3MapDataset", "SampleReader"]
