"""What does listing cost?"""

from benchmarks.questions.question import Question

QUESTION = Question(
    name="list_keys",
    title="List of 100,000 keys",
    verb="list_keys",
    server="bench",
    count=100_000,
    size=1,
    unit="µs/object",
    baseline="ours",
    participants=("ours", "s3dlio", "obstore", "s3torchconnector", "boto3", "s3fs"),
    note="awscrt's Python binding has no listing.",
)
