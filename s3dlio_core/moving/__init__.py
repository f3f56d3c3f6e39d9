"""Whole objects and trees of files, between this machine, stores and memory."""
