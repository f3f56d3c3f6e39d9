"""What does comparing with the stored checksum cost?"""

from benchmarks.questions.question import GIB, Question

QUESTION = Question(
    name="verified_get",
    title="One object of 1 GiB with a stored CRC64NVME, compared and not",
    verb="get_into",
    server="bench",
    count=1,
    size=GIB,
    unit="s/GB",
    repeats=2,
    baseline="ours_unverified",
    participants=("bare", "ours_unverified", "ours"),
)
