"""What does one large object cost, returned as a buffer, again and again?"""

from benchmarks.participants import PEERS
from benchmarks.questions.question import GIB, Question

QUESTION = Question(
    name="large_get_buffer",
    title="One object of 1 GiB returned as a buffer",
    verb="get_buffer",
    server="nginx",
    count=1,
    size=GIB,
    unit="s/GB",
    repeats=2,
    participants=("bare", "bare_fresh", "ours", *PEERS),
    prefix="large_get/",
    note="The bare loop reads into ready memory; the one with fresh memory pays for its page faults.",
)
