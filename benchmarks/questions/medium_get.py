"""What do objects of a megabyte cost?"""

from benchmarks.questions.question import MIB, Question

QUESTION = Question(
    name="medium_get",
    title="1,000 objects of 1 MiB",
    verb="get_many",
    server="nginx",
    count=1_000,
    size=MIB,
    unit="µs/object",
)
