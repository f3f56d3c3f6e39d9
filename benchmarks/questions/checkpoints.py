"""What do saving, loading and resharding a state with torch.distributed.checkpoint cost?"""

from dataclasses import replace

from benchmarks.questions.question import MIB, Question

SAVE = Question(
    name="save_state",
    title="Save of a 4 GiB state dict to S3",
    verb="save_state",
    server="discard",
    count=32,
    size=128 * MIB,
    unit="s/GB",
    warm=0,
    direction="in",
    baseline="torch_ours",
    participants=("torch_ours", "torch_ours_unhashed", "torch_s3torchconnector", "torch_fsspec"),
    prefix="checkpoint/",
    note="32 float32 tensors of 128 MiB, one process. Each with its own writer. The server drops what it receives.",
)
LOAD = replace(
    SAVE,
    name="load_state",
    title="Load of a 4 GiB state dict from S3",
    verb="load_state",
    server="store",
    direction="out",
    participants=("torch_ours", "torch_s3torchconnector", "torch_fsspec"),
    note="32 float32 tensors of 128 MiB, one process. Each with its own writer and reader.",
)
SLICES = replace(
    LOAD,
    name="load_slices",
    title="One of 8 ranks loads its rows of a 4 GiB state dict from S3",
    verb="load_slices",
    size=16 * MIB,
    note="The state was saved whole; the rank wants an eighth of the rows of every tensor, 512 MiB.",
)
PEERS_ON_DISK = ("torch_ours", "torch_files")
SAVE_FILES = replace(
    SAVE,
    name="save_state_files",
    title="Save of a 4 GiB state dict to local files",
    server="folder",
    direction="",
    participants=PEERS_ON_DISK,
    note=LOAD.note,
)
LOAD_FILES = replace(
    SAVE_FILES, name="load_state_files", title="Load of a 4 GiB state dict from local files", verb="load_state"
)
QUESTIONS = (SAVE, LOAD, SLICES, SAVE_FILES, LOAD_FILES)
