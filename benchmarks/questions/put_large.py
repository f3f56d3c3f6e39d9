"""What does storing one large object cost?"""

from benchmarks.participants import PEERS
from benchmarks.questions.question import GIB, Question

QUESTION = Question(
    name="put_large",
    title="Put of one object of 1 GiB",
    verb="put_large",
    server="discard",
    direction="in",
    count=1,
    size=GIB,
    unit="s/GB",
    repeats=2,
    participants=("bare", "bare_unchecked", "bare_hashed", "ours", "ours_unhashed", *PEERS),
    note="The bare loop sends 8 MiB requests, each with its CRC64NVME; hashed: with its SHA-256 too, as signing a body "
    "takes. The server drops what it receives.",
)
