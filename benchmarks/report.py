"""Writes docs/performance.md: tables between markers are replaced, all else on the page stays as somebody wrote it.

A block stands between `<!-- bench NAME -->` and `<!-- end NAME -->`; one that the page lacks is added at its end.
"""

import re
from pathlib import Path

from benchmarks.bars import TIMES_PEERS, Verdict, must_beat, times_of_peers, verdicts
from benchmarks.measure import MIB, Answer, Sample, Spread
from benchmarks.participants import OURS, PARTICIPANTS, PEERS
from benchmarks.questions import QUESTIONS, Question
from benchmarks.questions.question import Unit

TIMES, DASH = "\N{MULTIPLICATION SIGN}", "\N{EN DASH}"


def write_page(page: Path, answers: dict[str, Answer], machine: dict[str, str], command: str) -> None:
    """Rewrites the blocks of the questions answered, of the machine, and of the figures to hold."""
    text = page.read_text() if page.exists() else "# Performance\n"
    text = put_block(text, "machine", machine_block(answers, machine, command))
    text = put_block(text, "bars", bars_table(verdicts(answers)))
    text = put_block(text, "peers", peers_table(answers))
    for name, answer in answers.items():
        text = put_block(text, name, question_block(QUESTIONS[name], answer))
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text)


def put_block(text: str, name: str, content: str) -> str:
    opening, closing = f"<!-- bench {name} -->", f"<!-- end {name} -->"
    block = f"{opening}\n{content}\n{closing}"
    pattern = re.escape(opening) + r".*?" + re.escape(closing)
    if re.search(pattern, text, re.DOTALL):
        return re.sub(pattern, lambda _: block, text, count=1, flags=re.DOTALL)
    return f"{text.rstrip()}\n\n{block}\n"


def bar_in_words(verdict: Verdict) -> str:
    bar, what = verdict.bar, QUESTIONS[verdict.bar.question]
    other = PARTICIPANTS[bar.other].title
    subject = what.title if bar.who in OURS else f"{what.title}, {PARTICIPANTS[bar.who].title}"
    measure = "throughput" if (bar.unit or what.unit) == "GB/s" else "CPU"
    return f"{subject}: at {'least' if bar.at_least else 'most'} {bar.limit:g} {TIMES} the {measure} of {other}"


def bars_table(found: list[Verdict]) -> str:
    """The bars, what was measured, and whether it holds."""
    rows = [[bar_in_words(one), spread(one.measured, ".2f"), "yes" if one.holds else "**no**"] for one in found]
    return table(["bar", f"measured (lowest {DASH} highest)", "holds"], rows)


def peers_table(answers: dict[str, Answer]) -> str:
    """How many times our CPU each peer spends; bold where that misses the bar, brackets where there is none."""
    rows = []
    for name, answer in answers.items():
        times = times_of_peers(answer, PEERS)
        if not times:
            continue
        cells = [_times_cell(times[peer].median, must_beat(name, peer)) if peer in times else DASH for peer in PEERS]
        rows.append([QUESTIONS[name].title, *cells])
    return table([f"{TIMES} the CPU of ours", *(PARTICIPANTS[peer].title for peer in PEERS)], rows)


def _times_cell(times: float, barred: bool) -> str:
    if not barred:
        return f"({times:.1f})"
    return f"{times:.1f}" if times >= TIMES_PEERS else f"**{times:.1f}**"


def question_block(question: Question, answer: Answer) -> str:
    """One question's heading, note, table, and who is missing from it."""
    versus = "throughput" if question.unit == "GB/s" else "CPU"
    header = [
        "client",
        "keys/s" if _counts_keys(question) else "GB/s",
        f"CPU, {_cpu_unit(question)}",
        f"{versus} {TIMES} {PARTICIPANTS[question.baseline].title}",
        "memory grew by, MiB",
        f"system calls per {_per(question)}",
        *([f"wire bytes {TIMES} needed"] if _counts_wire(question) else []),
    ]
    rows = [_row(question, answer, name) for name in question.participants if name in answer.samples]
    paragraphs = [f"### {question.title}", question.note, table(header, rows)]
    paragraphs += [f"{PARTICIPANTS[name].title}: {reason}." for name, reason in answer.missing.items()]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _row(question: Question, answer: Answer, name: str) -> list[str]:
    samples, title = answer.samples[name], PARTICIPANTS[name].title
    ratio = answer.ratio(name, question.baseline, question.unit)
    calls = answer.system_calls.get(name)
    amount = answer.bytes / MIB if _per(question) == "MiB" else answer.objects
    rates = Spread.of([_rate(question, sample) for sample in samples])
    return [
        f"**{title}**" if name in OURS else title,
        spread(rates, ",.0f" if _counts_keys(question) else ".2f"),
        spread(answer.cost(name, _cpu_unit(question)), ".1f" if question.unit == "µs/object" else ".3f"),
        spread(ratio, ".2f") if ratio else DASH,
        f"{max(sample.peak_memory_bytes for sample in samples) / MIB:,.0f}",
        DASH if calls is None else f"{calls / amount:.2f}",
        *([f"{max(one.wire_bytes / one.bytes for one in samples):.2f}"] if _counts_wire(question) else []),
    ]


def _counts_keys(question: Question) -> bool:
    return question.verb == "list_keys"


def _counts_wire(question: Question) -> bool:
    return question.direction != "" and not question.verb.startswith("put")


def _cpu_unit(question: Question) -> Unit:
    return "s/GB" if question.unit == "GB/s" else question.unit


def _per(question: Question) -> str:
    return "object" if question.unit == "µs/object" else "MiB"


def _rate(question: Question, sample: Sample) -> float:
    return sample.objects / sample.seconds if _counts_keys(question) else sample.throughput / 1e9


def machine_block(answers: dict[str, Answer], machine: dict[str, str], command: str) -> str:
    versions = {
        PARTICIPANTS[name].title: samples[0].version
        for answer in answers.values()
        for name, samples in answer.samples.items()
        if samples[0].version and not name.startswith("ours_")
    }
    days = sorted({answer.when for answer in answers.values()}) or [DASH]
    lines = {
        "Command": f"`{command}`",
        "Date": days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}",
        "Machine": "; ".join(f"{name} {value}" for name, value in machine.items()),
        "Clients": "; ".join(f"{name} {version}" for name, version in sorted(versions.items())),
    }
    return "\n".join(f"- {name}: {value}" for name, value in lines.items())


def spread(values: Spread, form: str) -> str:
    if values.low == values.high:
        return f"{values.median:{form}}"
    return f"{values.median:{form}} ({values.low:{form}} {DASH} {values.high:{form}})"


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
