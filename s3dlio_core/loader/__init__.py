"""Order, division, progress and read-ahead of a data set's samples. Knows no framework."""

from s3dlio_core.loader.listing import (
    MANIFEST_SUFFIX,
    load_manifest,
    manifest_of_objects,
    manifest_of_prefix,
    pack,
    save_manifest,
    unpack,
)
from s3dlio_core.loader.manifest import Manifest, ObjectManifest
from s3dlio_core.loader.options import LoaderOptions
from s3dlio_core.loader.order import Order
from s3dlio_core.loader.packed import PackedStrings
from s3dlio_core.loader.progress import Marks, Progress, Remaining
from s3dlio_core.loader.record_manifest import RecordManifest, records_below
from s3dlio_core.loader.split import Layout, Share
from s3dlio_core.loader.state import EpochId, State, find_states, merge, merge_states, resumed
from s3dlio_core.loader.stream import Fetched, SampleStream, check_size
from s3dlio_core.loader.tracker import Tracker

__all__ = [
    "EpochId",
    "Fetched",
    "Layout",
    "LoaderOptions",
    "MANIFEST_SUFFIX",
    "Manifest",
    "Marks",
    "ObjectManifest",
    "Order",
    "PackedStrings",
    "Progress",
    "RecordManifest",
    "Remaining",
    "SampleStream",
    "Share",
    "State",
    "Tracker",
    "check_size",
    "find_states",
    "load_manifest",
    "manifest_of_objects",
    "manifest_of_prefix",
    "merge",
    "merge_states",
    "pack",
    "records_below",
    "resumed",
    "save_manifest",
    "unpack",
]
