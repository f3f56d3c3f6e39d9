"""Saving a checkpoint: a rank's items, its data objects."""
