"""Bars for docs/plots/: one picture per group of questions. SVG, the same bytes for the same figures."""

from pathlib import Path
from typing import Any

from benchmarks.measure import Answer, Spread
from benchmarks.participants import OURS, PARTICIPANTS
from benchmarks.questions import QUESTIONS

GROUPS = {
    "reads": ("CPU seconds of the client per GB", ("large_get", "large_get_buffer", "large_get_tls")),
    "small_objects": ("CPU of the client per object, µs", ("small_get", "medium_get", "small_get_tls")),
    "puts": ("CPU seconds of the client per GB", ("put_large",)),
    "many": ("CPU of the client per object, µs", ("put_many", "list_keys")),
    "files": ("GB/s", ("file_read", "direct_read")),
    "samples": ("GB/s", ("samples_100k", "samples_1m", "samples_64m")),
    "checkpoints": ("CPU seconds per GB", ("save_state", "load_state", "load_slices")),
    "checkpoints_files": ("CPU seconds per GB", ("save_state_files", "load_state_files")),
    "weights": ("CPU seconds per GB", ("load_weights", "load_weights_files")),
}
OUR_COLOUR, BASE, OTHERS = "#c2410c", "#6b7280", "#93c5fd"


def draw(folder: Path, answers: dict[str, Answer]) -> list[Path]:
    """Writes one SVG for each group that has an answer; gives the files written."""
    import matplotlib  # only a run that draws needs it

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "benchmarks"
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, (axis, questions) in GROUPS.items():
        shown = [one for one in questions if one in answers and answers[one].samples]
        if not shown:
            continue
        figure, panels = plt.subplots(1, len(shown), figsize=(4.6 * len(shown), 3.4), squeeze=False)
        for panel, question in zip(panels[0], shown, strict=True):
            _bars(panel, question, answers[question], axis)
        figure.tight_layout()
        path = folder / f"{name}.svg"
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)
        written.append(path)
    return written


def _bars(panel: Any, name: str, answer: Answer, axis: str) -> None:
    question = QUESTIONS[name]
    names = [one for one in question.participants if one in answer.samples][::-1]
    costs: list[Spread] = [answer.cost(one, question.unit) for one in names]
    middles = [cost.median for cost in costs]
    errors = [[cost.median - cost.low for cost in costs], [cost.high - cost.median for cost in costs]]
    colours = [OUR_COLOUR if one in OURS else BASE if one.startswith(("bare", "fio")) else OTHERS for one in names]
    panel.barh([PARTICIPANTS[one].title for one in names], middles, xerr=errors, color=colours, height=0.7)
    for place, middle in enumerate(middles):
        panel.text(middle, place, f" {middle:.3g}", va="center", fontsize=8)
    panel.margins(x=0.15)
    panel.set_title(question.title, fontsize=9)
    panel.set_xlabel(axis, fontsize=8)
    panel.tick_params(labelsize=8)
    panel.spines[["top", "right"]].set_visible(False)
