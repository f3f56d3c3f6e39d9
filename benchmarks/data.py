"""The files that nginx serves and that file questions read: random bytes below build/bench-data/, made once."""

import os
import random
import ssl
import urllib.request
import zlib
from pathlib import Path
from typing import IO

from benchmarks.places import DATA
from benchmarks.questions import Question
from benchmarks.servers import Server

BUCKET = "bench"
_PIECE = 1 << 20


def folder_of(question: Question) -> Path:
    """Objects of another size (of a quick run) live in a folder of their own."""
    return DATA / f"{question.size}"


def make_files(question: Question) -> None:
    """Writes what is missing; afterwards all of it is in the page cache."""
    for index in range(question.count):
        path = folder_of(question) / BUCKET / f"{question.data_prefix}{index:08d}"
        if not path.exists() or path.stat().st_size != question.size:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_random(path, question.size, seed=index)
        else:
            with path.open("rb", buffering=0) as file:
                while file.read(_PIECE):
                    pass
    os.sync()


def _write_random(path: Path, size: int, seed: int) -> None:
    source = random.Random(seed)
    with path.open("wb") as file:
        for start in range(0, size, _PIECE):
            file.write(source.randbytes(min(_PIECE, size - start)))


def checks(question: Question, server: Server | None) -> dict[str, int]:
    """CRC32 of the first and the last object, read by nobody who takes part."""
    indices = sorted({0, question.count - 1})
    if server is None:
        names = {index: folder_of(question) / BUCKET / f"{question.data_prefix}{index:08d}" for index in indices}
        return {str(index): _crc32_of(path.open("rb")) for index, path in names.items()}
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if server.certificate is not None:
        context = ssl.create_default_context(cafile=str(server.certificate.authority))
        handlers.append(urllib.request.HTTPSHandler(context=context))
    opener = urllib.request.build_opener(*handlers)
    url = f"{server.endpoint}/{BUCKET}/{question.data_prefix}"
    return {str(index): _crc32_of(opener.open(f"{url}{index:08d}")) for index in indices}


def _crc32_of(source: IO[bytes]) -> int:
    value = 0
    with source:
        while piece := source.read(_PIECE):
            value = zlib.crc32(piece, value)
    return value
