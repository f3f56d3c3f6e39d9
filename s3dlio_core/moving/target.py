"""Writing one object: in pieces, and nothing to be seen before all of it is there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Any

from s3dlio_core._ext import Buffer, Pending, PutOptions
from s3dlio_core.errors import StorageError
from s3dlio_core.moving.whole import Whole
from s3dlio_core.process.lifecycle import abort_at_exit
from s3dlio_core.run.steps import Steps
from s3dlio_core.store import Store

__all__ = ["OnBytes", "fits_one_put", "write_pieces"]

OnBytes = Callable[[int], None]  # hears how many more bytes of an object are done


def fits_one_put(target: Store, size: int, memory_bytes: int) -> bool:
    """Whether an object is to be sent by one request; a larger one goes through a writer, whose abort is waited for."""
    return size <= min(memory_bytes, target.tuning.multipart_threshold)


def write_pieces(
    target: Store, key: str, pieces: Iterable[Pending[Buffer] | Buffer], whole: Whole, on_bytes: OnBytes
) -> Steps[int]:
    """Write an object, as pieces that are there or on their way; the number of its bytes.

    An error leaves nothing behind. What the pieces come to is compared with `whole` before the object becomes visible.
    """
    options = PutOptions()
    options.expected_size = whole.size
    writer = target._native().open_writer(key, options)
    abort_at_exit(writer)
    try:
        for piece in pieces:
            data: Any = (yield piece) if isinstance(piece, Pending) else piece
            yield writer.write(data)
            whole.add(data)
            on_bytes(len(data))
        whole.check()
        yield writer.close()
    except (GeneratorExit, KeyboardInterrupt, SystemExit):
        # Not told by the runner but met on the way: it would take a call yielded here for the task's next one, and go
        # on with all the others. The engine aborts what is dropped, and the end of the process waits for that.
        raise
    except BaseException:
        with contextlib.suppress(StorageError):  # what went wrong first is what the caller must see
            yield writer.abort()
        raise
    return whole.size
