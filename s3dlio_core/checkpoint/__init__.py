"""How checkpoints lie in a store: item layout, checksums, codecs, commit. Knows no framework."""

from s3dlio_core.checkpoint.item_index import ItemIndex

__all__ = ["ItemIndex"]
