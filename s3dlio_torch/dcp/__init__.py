"""torch.distributed.checkpoint over every store: bounded memory, one atomic commit, every byte verified."""

from s3dlio_core.checkpoint.progress import CheckpointProgress
from s3dlio_torch.dcp.manager import CheckpointManager
from s3dlio_torch.dcp.prefix_strategy import (
    BinaryPrefixStrategy,
    DefaultPrefixStrategy,
    HexPrefixStrategy,
    NumericPrefixStrategy,
    PrefixStrategy,
    RoundRobinPrefixStrategy,
    S3PrefixStrategyBase,
)
from s3dlio_torch.dcp.reader import StorageReader
from s3dlio_torch.dcp.s3_front import S3StorageReader, S3StorageWriter
from s3dlio_torch.dcp.writer import StorageWriter
from s3dlio_torch.dcp.zstd_extension import ZstdFrames, ZstdPlanes

__all__ = [
    "BinaryPrefixStrategy",
    "CheckpointManager",
    "CheckpointProgress",
    "DefaultPrefixStrategy",
    "HexPrefixStrategy",
    "NumericPrefixStrategy",
    "PrefixStrategy",
    "RoundRobinPrefixStrategy",
    "S3PrefixStrategyBase",
    "S3StorageReader",
    "S3StorageWriter",
    "StorageReader",
    "StorageWriter",
    "ZstdFrames",
    "ZstdPlanes",
]
