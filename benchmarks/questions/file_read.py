"""How near to the disk are reads of local files, through the page cache (cold) and past it (O_DIRECT)?"""

from dataclasses import replace

from benchmarks.questions.question import GIB, MIB, Question

BUFFERED = Question(
    name="file_read",
    title="file://, 1 GiB, cold page cache",
    verb="get_into",
    server="file",
    count=1,
    size=GIB,
    unit="GB/s",
    baseline="fio",
    participants=("fio", "ours", "s3dlio"),
    prefix="large_get/",
    options={"block": 4 * MIB, "depth": 32, "direct": False},
    note="fio reads the same file with the block size and depth that the engine uses; s3dlio returns a buffer.",
)
DIRECT = replace(
    BUFFERED,
    name="direct_read",
    title="direct://, 1 GiB by O_DIRECT",
    server="direct",
    options={"block": 4 * MIB, "depth": 32, "direct": True},
)
QUESTIONS = (BUFFERED, DIRECT)
