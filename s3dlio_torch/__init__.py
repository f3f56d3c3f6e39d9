"""Datasets and weights over object stores and disks for PyTorch. Bytes arrive in the memory that becomes the tensor."""

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError("s3dlio_torch needs PyTorch 2.10 or newer: pip install torch") from error

from s3dlio_core import StorageError, __version__
from s3dlio_core.loader import LoaderOptions, merge_states
from s3dlio_torch._guarded_writer import S3Writer
from s3dlio_torch.async_loader import AsyncLoader, create_async_loader
from s3dlio_torch.client_config import S3ClientConfig
from s3dlio_torch.iterable_dataset import S3IterableDataset
from s3dlio_torch.map_dataset import S3MapDataset
from s3dlio_torch.pt import UnsafePickleError, load, save
from s3dlio_torch.readers import S3Reader, S3ReaderConstructor, SampleReader
from s3dlio_torch.rows import collate
from s3dlio_torch.s3_checkpoint import S3Checkpoint

# The names that older s3dlio gave these.
ObjectStoreIterableDataset = S3IterableDataset
ObjectStoreMapDataset = S3MapDataset

# What AWS's connector calls the root of its errors.
S3Exception = StorageError

__all__ = [
    "AsyncLoader",
    "LoaderOptions",
    "ObjectStoreIterableDataset",
    "ObjectStoreMapDataset",
    "S3Checkpoint",
    "S3ClientConfig",
    "S3Exception",
    "S3IterableDataset",
    "S3MapDataset",
    "S3Reader",
    "S3ReaderConstructor",
    "S3Writer",
    "SampleReader",
    "UnsafePickleError",
    "__version__",
    "collate",
    "create_async_loader",
    "load",
    "merge_states",
    "save",
]
