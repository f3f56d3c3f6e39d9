"""What do many small objects cost?"""

from benchmarks.questions.question import KIB, Question

QUESTION = Question(
    name="small_get",
    title="10,000 objects of 100 KiB",
    verb="get_many",
    server="nginx",
    count=10_000,
    size=100 * KIB,
    unit="µs/object",
    note="The bare loop neither signs nor hands anything to Python.",
)
