"""Stores: one file a family of verbs."""

from s3dlio_core.store._fetch import Prefetch
from s3dlio_core.store._reader import ObjectReader
from s3dlio_core.store._writer import ObjectWriter
from s3dlio_core.store.store import Store, open_store

__all__ = ["ObjectReader", "ObjectWriter", "Prefetch", "Store", "open_store"]
