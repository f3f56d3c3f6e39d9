"""Figures of runs: one sample a round, medians over rounds, ratios within a round."""

import statistics
from dataclasses import dataclass, field
from typing import Any

from benchmarks.questions.question import Unit

GB = 1e9
MIB = 1 << 20


@dataclass(frozen=True)
class Sample:
    """What one client's timed part took."""

    seconds: float
    user_seconds: float
    system_seconds: float
    bytes: int
    objects: int
    peak_memory_bytes: int
    wire_bytes: int = 0  # what the server sent and received meanwhile, where it was counted
    version: str = ""

    @property
    def cpu_seconds(self) -> float:
        return self.user_seconds + self.system_seconds

    def cost(self, unit: Unit) -> float:
        if unit == "s/GB":
            return self.cpu_seconds / (self.bytes / GB)
        if unit == "µs/object":
            return self.cpu_seconds / self.objects * 1e6
        return self.bytes / GB / self.seconds

    @property
    def throughput(self) -> float:
        """Bytes per second."""
        return self.bytes / self.seconds


@dataclass(frozen=True)
class Spread:
    """Several measurements of one thing."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        return cls(statistics.median(values), min(values), max(values))


@dataclass
class Answer:
    """Everything measured for one question."""

    question: str
    when: str  # the day, UTC
    objects: int  # of one repeat
    bytes: int
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    system_calls: dict[str, int] = field(default_factory=dict)  # in one repeat
    missing: dict[str, str] = field(default_factory=dict)  # participant -> why it has no figures

    def cost(self, name: str, unit: Unit) -> Spread:
        return Spread.of([sample.cost(unit) for sample in self.samples[name]])

    def ratio(self, name: str, to: str, unit: Unit) -> Spread | None:
        """Cost of one over cost of another, round by round; None when either has no figures."""
        pairs = zip(self.samples.get(name, []), self.samples.get(to, []), strict=False)
        ratios = [one.cost(unit) / other.cost(unit) for one, other in pairs if other.cost(unit) > 0]
        return Spread.of(ratios) if ratios else None

    def as_json(self) -> dict[str, Any]:
        samples = {name: [vars(sample) for sample in taken] for name, taken in self.samples.items()}
        return {**vars(self), "samples": samples}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Answer":
        samples = {name: [Sample(**one) for one in taken] for name, taken in stored["samples"].items()}
        return cls(**{**stored, "samples": samples})
