"""How many samples a second does one training process get through torch's DataLoader, one object a sample?"""

from dataclasses import replace

from benchmarks.questions.question import KIB, MIB, Question

SMALL = Question(
    name="samples_100k",
    title="10,000 samples of 100 KiB through DataLoader",
    verb="get_samples",
    server="bench",
    count=10_000,
    size=100 * KIB,
    unit="GB/s",
    warm=0,
    baseline="torch_ours",
    participants=(
        "torch_ours",
        "torch_s3torchconnector",
        "torch_boto3",
        "torch_s3dlio",
        "torch_webdataset",
        "torch_streaming",
    ),
    prefix="samples/",
    note="One process, no workers but boto3's two. webdataset and mosaicml-streaming read shards made before.",
)
MEDIUM = replace(SMALL, name="samples_1m", title="1,000 samples of 1 MiB through DataLoader", count=1_000, size=MIB)
LARGE = replace(SMALL, name="samples_64m", title="32 samples of 64 MiB through DataLoader", count=32, size=64 * MIB)
QUESTIONS = (SMALL, MEDIUM, LARGE)
