"""What does loading one safetensors file cost?"""

from dataclasses import replace

from benchmarks.questions.question import MIB, Question

REMOTE = Question(
    name="load_weights",
    title="Load of a 1 GiB safetensors file from S3",
    verb="load_weights",
    server="store",
    count=64,
    size=16 * MIB,
    unit="s/GB",
    warm=1,
    warm_is_whole=True,
    direction="out",
    baseline="torch_ours",
    participants=("torch_ours", "torch_runai"),
    prefix="weights/",
    note="64 float32 tensors, all of them in memory of the caller's own afterwards. The second load of a process: at "
    "the first, a virtual machine may have to get the memory from its host.",
)
LOCAL = replace(
    REMOTE,
    name="load_weights_files",
    title="Load of a 1 GiB safetensors file from a local disk, page cache warm",
    server="folder",
    direction="",
    participants=("torch_ours", "torch_safetensors", "torch_runai", "torch_fastsafetensors"),
)
QUESTIONS = (REMOTE, LOCAL)
