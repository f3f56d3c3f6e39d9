"""A question the benchmarks answer: which verb, on which data, from which server, by whom."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from benchmarks.participants import PEERS

MIB = 1 << 20
KIB = 1 << 10
GIB = 1 << 30

ServerKind = Literal["nginx", "bench", "discard", "store", "file", "direct", "folder"]
Unit = Literal["s/GB", "µs/object", "GB/s"]


@dataclass(frozen=True)
class Question:
    """One file of this package each.

    `unit` is what is compared: CPU seconds of the client per GB (10^9 bytes), CPU per object, or throughput.
    `baseline` is who every other participant is a ratio to.
    """

    name: str
    title: str
    verb: str
    server: ServerKind
    count: int
    size: int
    unit: Unit
    repeats: int = 1
    tls: bool = False
    baseline: str = "bare"
    participants: tuple[str, ...] = ("bare", "ours", *PEERS)
    prefix: str = ""
    note: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    warm: int | None = None  # objects of the untimed run before; None: as many as the runner thinks fit
    warm_is_whole: bool = False  # the untimed run moves as much as a timed one, whatever `warm` says
    direction: Literal["", "in", "out"] = ""  # seen by the server: what of its traffic is the question's

    @property
    def local(self) -> bool:
        """On disk: there is no server, and both cores may be used."""
        return self.server in ("file", "direct", "folder")

    @property
    def stores(self) -> bool:
        """Clients store what they are asked about, each in a place of its own that is gone after its turn."""
        return self.server in ("store", "discard", "folder")

    @property
    def data_prefix(self) -> str:
        return self.prefix or f"{self.name.removesuffix('_tls')}/"

    def quick(self) -> "Question":
        """The same with few bytes: to see that everything runs, not how fast."""
        size = min(self.size, 4 * MIB)
        count = max(1, min(self.count, 40 if self.verb != "list_keys" else 2500))
        options = {**self.options, "block": 1 * MIB, "depth": 4} if self.local else self.options
        return replace(self, size=size, count=count, repeats=1, options=options)


def over_tls(question: Question) -> Question:
    return replace(
        question,
        name=question.name + "_tls",
        title=question.title + ", over TLS",
        tls=True,
        participants=tuple(name for name in question.participants if name != "bare_fresh"),
        prefix=question.data_prefix,
    )
