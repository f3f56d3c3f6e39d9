"""The runner itself: that figures are taken, compared and written, and that hand-written text stays."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks import report
from benchmarks.bars import must_beat, times_of_peers, verdicts
from benchmarks.launch import ClientFailed, run_client
from benchmarks.measure import Answer, Sample
from benchmarks.participants import PARTICIPANTS, Client
from benchmarks.places import ROOT
from benchmarks.questions import QUESTIONS
from benchmarks.servers import Server

pytestmark = pytest.mark.timeout(600)  # the first test waits for the build
SAMPLE = Sample(seconds=1.0, user_seconds=0.1, system_seconds=0.1, bytes=10**9, objects=1, peak_memory_bytes=0)


def answer_of(question: str, **cpu_seconds: list[float]) -> Answer:
    samples = {
        name: [replace(SAMPLE, system_seconds=value - SAMPLE.user_seconds) for value in values]
        for name, values in cpu_seconds.items()
    }
    return Answer(question, "2026-01-01", objects=1, bytes=10**9, samples=samples)


def test_ratios_are_taken_within_a_round() -> None:
    """A round in which everything was slow must not count against whoever ran in it."""
    answer = answer_of("large_get", bare=[0.2, 0.4, 0.8], ours=[0.22, 0.44, 0.88])
    ratio = answer.ratio("ours", "bare", "s/GB")
    assert ratio is not None
    assert (ratio.low, ratio.median, ratio.high) == pytest.approx((1.1, 1.1, 1.1))
    assert answer.ratio("ours", "boto3", "s/GB") is None


@pytest.mark.parametrize(("ours", "holds"), [([0.24], True), ([0.26], False), ([0.1, 0.26, 0.27], False)])
def test_bars_are_judged_by_the_median(ours: list[float], holds: bool) -> None:
    answers = {"large_get": answer_of("large_get", bare=[0.2] * len(ours), ours=ours)}
    assert [verdict.holds for verdict in verdicts(answers)] == [holds]


def test_throughput_bars_look_the_other_way() -> None:
    answer = answer_of("file_read", fio=[0.2], ours=[0.2])
    answer.samples["ours"] = [replace(SAMPLE, seconds=2.0)]
    assert [verdict.holds for verdict in verdicts({"file_read": answer})] == [False]
    answer.samples["ours"] = [replace(SAMPLE, seconds=0.5)]
    assert [verdict.holds for verdict in verdicts({"file_read": answer})] == [True]


def test_peers_are_told_as_times_our_cpu() -> None:
    answer = answer_of("large_get", ours=[0.2, 0.2], boto3=[0.4, 0.8], s3fs=[0.3, 0.3])
    assert times_of_peers(answer, ("boto3", "s3fs", "obstore"))["boto3"].median == pytest.approx(3.0)
    written = report.peers_table({"large_get": answer})
    assert "| (1.5) |" in written, "no bar was set against s3fs"
    assert must_beat("large_get", "boto3")
    answer.samples["boto3"] = answer.samples["s3fs"]
    assert "**1.5**" in report.peers_table({"large_get": answer}), "a bar that does not hold is shown"


def test_text_outside_the_blocks_stays(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("# Ours\n\nby hand\n<!-- bench bars -->\nstale\n<!-- end bars -->\nbelow, \\1 by hand\n")
    answers = {"large_get": answer_of("large_get", bare=[0.2], ours=[0.22])}
    report.write_page(page, answers, {"kernel": "1"}, "a command")
    text = page.read_text()
    assert text.startswith("# Ours\n\nby hand\n<!-- bench bars -->\n| bar |")
    assert "below, \\1 by hand\n" in text
    assert "stale" not in text
    assert "| 1.10 | yes |" in text
    report.write_page(page, answers, {"kernel": "1"}, "a command")
    assert page.read_text() == text, "writing the same figures again changes nothing"


def test_answers_survive_storing() -> None:
    answer = answer_of("large_get", bare=[0.2], ours=[0.22])
    answer.missing["s3fs"] = "did not install"
    assert Answer.from_json(json.loads(json.dumps(answer.as_json()))) == answer


def test_every_question_names_a_baseline_that_takes_part() -> None:
    assert [question.name for question in QUESTIONS.values() if question.baseline not in question.participants] == []


@pytest.fixture(scope="module")
def quick_run(programs: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, dict[str, Answer]]:
    """A quick run of the questions that our own server answers, without peers."""
    folder = tmp_path_factory.mktemp("quick")
    questions = ("verified_get", "put_large", "put_many", "list_keys")
    clients = "bare,bare_unchecked,bare_hashed,ours,ours_unhashed,ours_unverified"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--clients", clients]
    command += [word for question in questions for word in ("--only", question)]
    command += ["--page", f"{folder}/page.md", "--plots", f"{folder}/plots", "--results", f"{folder}/figures.json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    stored = json.loads((folder / "figures.json").read_text())
    return folder, done.stdout, {name: Answer.from_json(one) for name, one in stored.items()}


def test_quick_run_measures_everyone(quick_run: tuple[Path, str, dict[str, Answer]]) -> None:
    _, _, answers = quick_run
    for name, answer in answers.items():
        assert answer.missing == {}, name
        assert "ours" in answer.samples
        for samples in answer.samples.values():
            assert all(sample.seconds > 0 and sample.bytes > 0 and sample.objects > 0 for sample in samples)


def test_quick_run_writes_page_plots_and_verdicts(quick_run: tuple[Path, str, dict[str, Answer]]) -> None:
    folder, output, _ = quick_run
    page = (folder / "page.md").read_text()
    for title in ("Put of one object", "List of 100,000 keys", "stored CRC64NVME"):
        assert title in page
    assert page.count("| **s3dlio-torch** |") == 4
    assert {path.name for path in (folder / "plots").iterdir()} == {"puts.svg", "many.svg"}
    assert "hold" in output.lower()


@pytest.mark.parametrize("words", [["--only", "nothing"], ["--clients", "bare,nobody"]])
def test_wrong_words_are_refused(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert words[1].rpartition(",")[2] in done.stderr


def job_on(server: Server, **changes: object) -> dict[str, Any]:
    job = {"endpoint": server.endpoint, "bucket": "listing", "prefix": "keys/", "count": 30, "size": 64}
    return {**job, "ca": None, "options": {}, **changes}


def test_a_client_is_checked(server: Server) -> None:
    """boto3, in this environment, through the same harness as every client."""
    boto3 = Client("boto3", "boto3", "via_boto3.py")
    sample = run_client(boto3, "get_many", job_on(server), core=None)
    assert (sample.objects, sample.bytes) == (30, 30 * 64)
    for changes, complaint in (
        ({"checks": {"7": 1}}, "object 7 arrived with other bytes"),
        ({"size": 65}, "instead of"),
        ({"prefix": "none/"}, "NoSuchKey"),
    ):
        with pytest.raises(ClientFailed, match=complaint):
            run_client(boto3, "get_many", job_on(server, **changes), core=None)


@pytest.mark.parametrize("verb", ["get_many", "get_into"])
def test_the_bare_loop_is_checked(server: Server, verb: str) -> None:
    bare = PARTICIPANTS["bare"]
    job = job_on(server, repeats=2, in_flight=4, count=30 if verb == "get_many" else 1)
    sample = run_client(bare, verb, job, core=None)
    assert (sample.objects, sample.bytes) == (2 * job["count"], 2 * job["count"] * 64)
    with pytest.raises(ClientFailed, match="another size"):
        run_client(bare, "get_many", job_on(server, size=63, repeats=1, in_flight=4), core=None)
