"""Answers a question: data, server, rounds in which all clients take turns, then one run each for system calls."""

import datetime
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import data
from benchmarks.certificate import Certificate, make_certificate
from benchmarks.launch import ClientFailed, count_system_calls, run_client
from benchmarks.measure import Answer, Sample
from benchmarks.participants import PARTICIPANTS, Participant
from benchmarks.places import BUILD, DATA
from benchmarks.questions import Question
from benchmarks.servers import Server, bench_server, nginx
from benchmarks.venvs import prepare

IN_FLIGHT = 32
THREADS = 8
MAX_WARM = 64

Place = tuple[Server | None, dict[str, Any]]  # where the data is, and a client's job there


@dataclass(frozen=True)
class Cores:
    """Who runs where; None where there is only one core."""

    client: int | None
    server: int | None

    @classmethod
    def choose(cls) -> "Cores":
        allowed = sorted(os.sched_getaffinity(0))
        return cls(allowed[0], allowed[1]) if len(allowed) > 1 else cls(None, None)


def answer(question: Question, *, rounds: int, only: Sequence[str] | None = None) -> Answer:
    """Measures. `only` names the participants wanted; the others are left out silently."""
    today = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    result = Answer(question.name, today, objects=question.count, bytes=question.count * question.size)
    wanted = [name for name in question.participants if only is None or name in only]
    cores = Cores(None, None) if question.local else Cores.choose()
    certificate = make_certificate(BUILD / "bench-tls") if question.tls else None
    for name in wanted:
        if reason := _why_not(PARTICIPANTS[name], question):
            result.missing[name] = reason
    if question.server in ("nginx", "file", "direct"):
        data.make_files(question)
    with ExitStack() as stack:
        kept = None if question.stores else stack.enter_context(_place(question, certificate, cores.server))

        def place() -> AbstractContextManager[Place]:
            # What one client has stored would stand in the next one's way: memory and disk are for one of them.
            return nullcontext(kept) if kept else _place(question, certificate, cores.server)

        for round_number in range(1, rounds + 1):
            for name in wanted:
                if name not in result.missing:
                    with place() as (server, job):
                        _take(result, name, question, job, server, cores.client)
            _say(f"{question.name}: round {round_number} of {rounds} done")
        for name in result.samples:
            with place() as (_, job):
                calls = count_system_calls(PARTICIPANTS[name], question.verb, {**job, "repeats": 1}, cores.client)
            if calls is not None:
                result.system_calls[name] = calls
    for name in result.missing:
        result.samples.pop(name, None)
        _say(f"{question.name}: {name}: {result.missing[name]}")
    return result


def _take(
    result: Answer, name: str, question: Question, job: dict[str, Any], server: Server | None, core: int | None
) -> None:
    """One client's turn in a round; a client that fails is out of the question."""
    counted = f"bytes_{question.direction}"
    countable = server if server is not None and question.direction and not question.tls else None
    before = countable.counters()[counted] if countable else 0
    wanted = question.count * question.size * question.repeats
    try:
        sample = run_client(PARTICIPANTS[name], question.verb, job, core)
        wire = countable.counters()[counted] - before if countable else 0
        if question.warm_is_whole:
            wire = wire * question.repeats // (question.repeats + 1)
        if countable and wire < wanted:
            raise ClientFailed(f"over the wire went {wire} bytes instead of {wanted}")
    except ClientFailed as failure:
        result.missing[name] = str(failure)
        return
    result.samples.setdefault(name, []).append(replace(_as_asked(sample, question), wire_bytes=wire))


def _as_asked(sample: Sample, question: Question) -> Sample:
    """The bare loop sends a large object as several: what it is compared by is the object."""
    return replace(sample, objects=question.count * question.repeats)


def _why_not(participant: Participant, question: Question) -> str:
    if question.tls and not participant.private_ca and os.geteuid() != 0:
        return "cannot be told a private certificate authority"
    return prepare(participant.name)


@contextmanager
def _place(question: Question, certificate: Certificate | None, core: int | None) -> Iterator[Place]:
    with _serve(question, certificate, core) as server:
        yield server, _job(question, server, certificate)


@contextmanager
def _serve(question: Question, certificate: Certificate | None, core: int | None) -> Iterator[Server | None]:
    if question.server == "folder":
        shutil.rmtree(_folder(question), ignore_errors=True)
        _folder(question).joinpath(question.data_prefix).mkdir(parents=True)
        yield None
        shutil.rmtree(_folder(question))
    elif question.local:
        yield None
    elif question.server == "nginx":
        with nginx(data.folder_of(question), certificate=certificate, core=core) as server:
            yield server
    elif question.server in ("discard", "store"):
        discard = question.server == "discard"
        with bench_server(buckets=[data.BUCKET], discard=discard, certificate=certificate, core=core) as server:
            yield server
    else:
        seed = f"{data.BUCKET}/{question.data_prefix},{question.count},{question.size}"
        with bench_server(seeds=[seed], certificate=certificate, core=core) as server:
            yield server


def _job(question: Question, server: Server | None, certificate: Certificate | None) -> dict[str, Any]:
    local_folder = data.folder_of(question) / data.BUCKET
    place = f"file://{_folder(question)}" if question.server == "folder" else f"{question.server}://{local_folder}"
    reads_files = question.server in ("file", "direct")
    return {
        "endpoint": server.endpoint if server else "",
        "bucket": data.BUCKET if server else place,
        "prefix": question.data_prefix,
        "count": question.count,
        "size": question.size,
        "repeats": question.repeats,
        "warm": min(question.count, MAX_WARM) if question.warm is None else question.warm,
        "in_flight": IN_FLIGHT,
        "threads": THREADS,
        "ca": str(certificate.authority) if certificate else None,
        "cold": str(local_folder / f"{question.data_prefix}00000000") if reads_files else None,
        "checks": data.checks(question, server) if question.verb.startswith("get") else {},
        "options": question.options,
    }


def _folder(question: Question) -> Path:
    """Where a question about files may write; empty at its start, gone at its end."""
    return DATA / f"written-{question.name}"


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
