"""One data object on its way to the store: made in one thread, sent in another."""

from __future__ import annotations

import threading
from typing import Any

from torch.distributed.checkpoint.storage import WriteResult

from s3dlio_core import ObjectWriter
from s3dlio_core.checkpoint.ahead import Ahead
from s3dlio_core.checkpoint.fault_points import reach
from s3dlio_core.checkpoint.progress import ProgressTracker
from s3dlio_torch.dcp.save.items import ItemPiece, Items
from s3dlio_torch.dcp.staging import Stopped

__all__ = ["write_object"]

_PIECES_AHEAD = 1  # what is being sent, what waits and what is being made: at most three tensors are resolved


def write_object(
    writer: ObjectWriter, items: Items, expected_bytes: int, tracker: ProgressTracker, stop: threading.Event
) -> list[WriteResult]:
    """Write all of `items` as one object; it is visible when this returns.

    Args:
        writer: Fresh; closed or aborted when this is over.
        expected_bytes: About how many there will be.
        stop: Set when the save has failed elsewhere, which this then joins.
    Raises:
        Stopped: `stop` was set; nothing is visible.
    """
    tracker.began(writer.key)
    reach("object-opened")
    try:
        _send(writer, items, expected_bytes, tracker, stop)
        if stop.is_set():
            raise Stopped
        reach("object-written")
        writer.close()
    except BaseException as error:
        stop.set()
        _abort(writer, error)
        raise
    finally:
        tracker.ended(writer.key)
    return items.results


def _send(writer: ObjectWriter, items: Items, expected_bytes: int, tracker: ProgressTracker, stop: Any) -> None:
    pieces: Ahead[ItemPiece] = Ahead(items, _PIECES_AHEAD, stop)
    half_written = False
    try:
        for (memory, release), payload_bytes, name in pieces:
            if stop.is_set():
                raise Stopped
            writer.write(memory)
            if release is not None:
                release()
            tracker.moved(writer.key, payload_bytes, name)
            if not half_written and 2 * writer.tell() >= expected_bytes:
                half_written = True
                reach("object-half-written")
            del memory, release
    except BaseException:
        stop.set()
        raise
    finally:
        pieces.close()


def _abort(writer: ObjectWriter, error: BaseException) -> None:
    try:
        writer.abort()
    except Exception as failure:  # the first error is the one to tell
        error.add_note(f"besides, the upload of {writer.uri} could not be aborted: {failure}")
