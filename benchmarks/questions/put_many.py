"""What does storing many objects cost?"""

from benchmarks.participants import PEERS
from benchmarks.questions.question import MIB, Question

QUESTION = Question(
    name="put_many",
    title="Put of 2,000 objects of 1 MiB",
    verb="put_many",
    server="discard",
    direction="in",
    count=2_000,
    size=MIB,
    unit="µs/object",
    participants=("bare", "bare_unchecked", "bare_hashed", "ours", "ours_unhashed", *PEERS),
    note="The bare loop sends each with its CRC64NVME; hashed: with its SHA-256 too, as signing a body takes. "
    "The server drops what it receives.",
)
