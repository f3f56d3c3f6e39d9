"""The figures to hold, each a ratio within one run, and what was measured against them."""

from dataclasses import dataclass

from benchmarks.measure import Answer, Spread
from benchmarks.questions import QUESTIONS
from benchmarks.questions.question import Unit


@dataclass(frozen=True)
class Bar:
    """The median ratio of `who` to `other` in `question` is at most (with at_least: at least) `limit`."""

    question: str
    other: str
    limit: float
    at_least: bool = False
    who: str = "ours"
    unit: Unit | None = None  # what is compared; None: what the question compares


@dataclass(frozen=True)
class Verdict:
    """A bar beside what was measured."""

    bar: Bar
    measured: Spread

    @property
    def holds(self) -> bool:
        if self.bar.at_least:
            return self.measured.median >= self.bar.limit
        return self.measured.median <= self.bar.limit


BARS = (
    Bar("large_get", "bare", 1.25),
    Bar("large_get_tls", "bare", 1.25),
    Bar("small_get", "bare", 1.6),
    Bar("put_large", "bare_hashed", 1.3),
    Bar("put_large", "bare", 1.3, who="ours_unhashed"),
    Bar("put_many", "bare_hashed", 1.3),
    Bar("put_many", "bare", 1.3, who="ours_unhashed"),
    Bar("verified_get", "ours_unverified", 1.1),
    Bar("file_read", "fio", 0.95, at_least=True),
    Bar("direct_read", "fio", 0.95, at_least=True),
    *(
        Bar(question, f"torch_{peer}", times, at_least=True, who="torch_ours", unit="GB/s")
        for question, times in (("samples_100k", 5), ("samples_64m", 3))
        for peer in ("s3torchconnector", "boto3")
    ),
    *(
        bar
        for peer in ("torch_s3torchconnector", "torch_fsspec")
        for bar in (
            Bar("load_state", peer, 3, at_least=True, who="torch_ours", unit="GB/s"),
            Bar("load_state", peer, 1 / 8, who="torch_ours", unit="s/GB"),
            *(
                bar
                # Over plain HTTP s3fs hashes the body, s3torchconnector does not.
                for who in ("torch_ours", "torch_ours_unhashed")
                for bar in (
                    Bar("save_state", peer, 1.5, at_least=True, who=who, unit="GB/s"),
                    Bar("save_state", peer, 1 / 4, who=who, unit="s/GB"),
                )
            ),
        )
    ),
)
# The released peers spend at least so many times the CPU of ours on the same work.
TIMES_PEERS = 3.0
PEERS_TO_BEAT = ("s3dlio", "obstore", "s3torchconnector", "boto3")
QUESTIONS_TO_BEAT_THEM = ("large_get", "large_get_tls", "small_get", "put_large", "put_many")


def verdicts(answers: dict[str, Answer]) -> list[Verdict]:
    """One for each bar of which both sides were measured."""
    found = []
    for bar in BARS:
        if bar.question in answers:
            measured = answers[bar.question].ratio(bar.who, bar.other, bar.unit or QUESTIONS[bar.question].unit)
            if measured is not None:
                found.append(Verdict(bar, measured))
    return found


def times_of_peers(answer: Answer, peers: tuple[str, ...]) -> dict[str, Spread]:
    """How many times the CPU of ours each peer spent; without those that have no figures."""
    unit = QUESTIONS[answer.question].unit
    ratios = {peer: answer.ratio(peer, "ours", unit) for peer in peers}
    return {peer: ratio for peer, ratio in ratios.items() if ratio is not None}


def must_beat(question: str, peer: str) -> bool:
    return question in QUESTIONS_TO_BEAT_THEM and peer in PEERS_TO_BEAT
