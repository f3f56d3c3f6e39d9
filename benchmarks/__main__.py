"""`python -m benchmarks`: measures, then writes docs/performance.md and docs/plots/. See --help."""

import argparse
import json
import sys
from pathlib import Path

from benchmarks import machine, plots, report
from benchmarks.bars import verdicts
from benchmarks.build import build_programs
from benchmarks.measure import Answer
from benchmarks.participants import PARTICIPANTS
from benchmarks.places import PAGE, PLOTS, RESULTS
from benchmarks.questions import QUESTIONS
from benchmarks.run import answer


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What the engine costs beside others.")
    parser.add_argument("--only", action="append", choices=QUESTIONS, metavar="QUESTION", help=", ".join(QUESTIONS))
    parser.add_argument("--clients", metavar="A,B", help=f"of {', '.join(PARTICIPANTS)}; all when absent")
    parser.add_argument("--rounds", type=int, default=5, help="turns of every client in every question (5)")
    parser.add_argument("--quick", action="store_true", help="few bytes, one round, nothing written into docs/")
    parser.add_argument("--page", type=Path, help="where to write the page (docs/performance.md)")
    parser.add_argument("--plots", type=Path, help="folder for the plots (docs/plots)")
    parser.add_argument("--results", type=Path, help="where to keep the figures (build/bench-results/latest.json)")
    parser.add_argument("--report", action="store_true", help="measure nothing: write the page from the last figures")
    chosen = parser.parse_args(words)
    unknown = set((chosen.clients or "bare").split(",")) - set(PARTICIPANTS)
    if unknown:
        parser.error(f"unknown clients: {', '.join(sorted(unknown))}; there are {', '.join(PARTICIPANTS)}")
    return chosen


def main(words: list[str]) -> int:
    chosen = parse(words)
    results = chosen.results or RESULTS / ("quick.json" if chosen.quick else "latest.json")
    page = chosen.page or (RESULTS / "quick.md" if chosen.quick else PAGE)
    folder = chosen.plots or (RESULTS / "quick-plots" if chosen.quick else PLOTS)
    answers = load(results)
    if not chosen.report:
        build_programs()
        only = chosen.clients.split(",") if chosen.clients else None
        for name in chosen.only or QUESTIONS:
            question = QUESTIONS[name].quick() if chosen.quick else QUESTIONS[name]
            answers[name] = answer(question, rounds=1 if chosen.quick else chosen.rounds, only=only)
            store(results, answers)
    answers = {name: answers[name] for name in QUESTIONS if name in answers}
    command = f"python -m benchmarks --rounds {chosen.rounds}" + " --quick (the figures say nothing)" * chosen.quick
    report.write_page(page, answers, machine.describe(), command)
    plots.draw(folder, answers)
    for verdict in verdicts(answers):
        mark = "holds" if verdict.holds else "DOES NOT HOLD"
        sys.stdout.write(f"{mark:14} {verdict.measured.median:6.2f}  {report.bar_in_words(verdict)}\n")
    sys.stdout.write(f"{page}\n")
    return 0


def load(results: Path) -> dict[str, Answer]:
    if not results.exists():
        return {}
    return {name: Answer.from_json(stored) for name, stored in json.loads(results.read_text()).items()}


def store(results: Path, answers: dict[str, Answer]) -> None:
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps({name: one.as_json() for name, one in answers.items()}, indent=1))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
