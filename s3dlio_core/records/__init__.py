"""Records inside objects: found once, kept in an index, then read and shuffled singly by range. Knows no framework."""

from s3dlio_core.records.format import FORMATS, RecordFormat, RecordRange, format_named, format_of_key
from s3dlio_core.records.index import IndexedObject, Record, RecordIndex
from s3dlio_core.records.raw_tensor import RawTensor
from s3dlio_core.records.scan import INDEX_KEY, IndexProgress, index_prefix, is_sidecar
from s3dlio_core.records.stored import load_index, save_index

__all__ = [
    "FORMATS",
    "INDEX_KEY",
    "IndexProgress",
    "IndexedObject",
    "RawTensor",
    "Record",
    "RecordFormat",
    "RecordIndex",
    "RecordRange",
    "format_named",
    "format_of_key",
    "index_prefix",
    "is_sidecar",
    "load_index",
    "save_index",
]
