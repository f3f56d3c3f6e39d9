"""What child processes run: a spawned one must be able to import it by name."""

from __future__ import annotations

import pickle
from typing import Any

from s3dlio_core import Store


def reads(pickled: bytes, key: str, expected: bytes, answers: Any) -> None:
    """Puts (uri, whether `key` holds `expected`) into the queue `answers`."""
    store: Store = pickle.loads(pickled)
    answers.put((store.uri, bytes(store.get(key)) == expected))
    store.close()
