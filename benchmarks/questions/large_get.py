"""What does one large object cost, read into memory that is ready?"""

from benchmarks.questions.question import GIB, Question

QUESTION = Question(
    name="large_get",
    title="One object of 1 GiB into ready memory",
    verb="get_into",
    server="nginx",
    count=1,
    size=GIB,
    unit="s/GB",
    repeats=2,
    note="obstore, awscrt and boto3 copy pieces into the memory; s3fs has no such verb and returns bytes.",
)
