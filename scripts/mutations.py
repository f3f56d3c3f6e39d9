#!/usr/bin/env python3
"""Takes the handling of faults out of the code, one piece at a time, and sees whether a test fails for it.

    make mutations                              all of tests/mutations.toml
    make mutations MUTATIONS="--row G1 U5"      those of some rows
    make mutations MUTATIONS="--page"           write docs/faults.md anew from the list

A mutation is a change to one or more texts of the code, and the one test that must notice. It is made in a copy of the
tree (build/mutations/tree), never in place; only what the test needs is built. Exit status 1: something survived.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "tests" / "mutations.toml"
PAGE = ROOT / "docs" / "faults.md"
TREE = ROOT / "build" / "mutations" / "tree"
BUILD = TREE / "build"
TEST_SECONDS = 60.0  # a test that hangs has noticed


@dataclass(frozen=True)
class Edit:
    """`text` stands in `file` exactly once and becomes `instead`."""

    file: str
    text: str
    instead: str


@dataclass(frozen=True)
class Mutation:
    """What is taken out, and the test that must fail then.

    `program` and `case` name a C++ test: tests/csrc/<program>, TEST_CASE "<case>". Else `case` is a pytest id.
    """

    row: str
    what: str
    edits: tuple[Edit, ...]
    program: str | None
    case: str

    def target(self) -> str:
        """What must be built for it; "" where only Python changes."""
        if self.program:
            return f"test_{self.program}"
        return "" if all(edit.file.endswith(".py") for edit in self.edits) else "_ext"

    def test_name(self) -> str:
        return f'{self.program}: "{self.case}"' if self.program else self.case


@dataclass(frozen=True)
class Row:
    """One fault of the table and what becomes of it."""

    id: str
    fault: str
    expected: str


def load(path: Path = LIST) -> tuple[list[Row], list[Mutation]]:
    data = tomllib.loads(path.read_text())
    rows = [Row(id=name, fault=row["fault"], expected=row["expected"]) for name, row in data["rows"].items()]
    mutations = []
    for entry in data["mutation"]:
        edits = [entry, *entry.get("also", [])]
        mutations.append(
            Mutation(
                row=entry["row"],
                what=entry["what"],
                edits=tuple(Edit(edit["file"], edit["text"], edit["instead"]) for edit in edits),
                program=entry.get("program"),
                case=entry["case"],
            )
        )
    return rows, mutations


# ---- the page ----

HEAD = """# Faults that are survived

What can go wrong on the way of the bytes, what the engine makes of it, and the tests that show it. Names in quotes are
C++ tests (`tests/csrc/<room>`), the others pytest's. For every line of this table the handling was taken out of the
code, piece by piece, and one of these tests failed each time: `make mutations` does so again (it takes long;
`tests/mutations.toml` is its list). The page is written from that list: `make mutations MUTATIONS=--page`.

| # | fault | what happens | shown by |
| --- | --- | --- | --- |
"""


def page(rows: list[Row], mutations: list[Mutation]) -> str:
    lines = []
    for row in rows:
        tests = dict.fromkeys(mutation.test_name() for mutation in mutations if mutation.row == row.id)
        lines.append(f"| {row.id} | {row.fault} | {row.expected} | {'<br>'.join(tests)} |\n")
    return HEAD + "".join(lines)


# ---- the copy of the tree ----


def copy_tree() -> None:
    """Brings the copy up to date; untouched files keep their times, so that little is built again."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout.decode()
    wanted = {name for name in listed.split("\0") if name and (ROOT / name).is_file()}
    for name in wanted:
        source, target = ROOT / name, TREE / name
        if not target.exists() or target.read_bytes() != source.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            shutil.copymode(source, target)
    for folder in ("csrc", "tests", "s3dlio_core", "s3dlio_torch"):
        for path in (TREE / folder).rglob("*"):
            stale = path.is_file() and path.suffix in {".cpp", ".h", ".py"}
            if stale and str(path.relative_to(TREE)) not in wanted:
                path.unlink()


@contextlib.contextmanager
def mutated(mutation: Mutation) -> Iterator[None]:
    before = {edit.file: (TREE / edit.file).read_text() for edit in mutation.edits}
    after = dict(before)
    for edit in mutation.edits:
        if after[edit.file].count(edit.text) != 1:
            raise SystemExit(f"{mutation.row}: its text is not found exactly once in {edit.file}:\n{edit.text}")
        after[edit.file] = after[edit.file].replace(edit.text, edit.instead)
    try:
        for name, text in after.items():
            (TREE / name).write_text(text)
        yield
    finally:
        for name, text in before.items():
            (TREE / name).write_text(text)


# ---- building and running ----


def configure(with_python: bool) -> None:
    options = ["-DS3DLIO_TESTS=ON", "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=-O1"]
    options.append(f"-DS3DLIO_PYTHON={'ON' if with_python else 'OFF'}")
    command = [
        "cmake",
        "-S",
        str(TREE),
        "-B",
        str(BUILD),
        "-G",
        "Ninja",
        f"-DPython_EXECUTABLE={sys.executable}",
        *options,
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment())


def environment() -> dict[str, str]:
    # The copy's packages before those installed, also in programs that tests start.
    paths = [str(TREE / "build" / "front"), str(TREE)]
    # One path for the compiler's cache, wherever the tree lies.
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "CCACHE_BASEDIR": str(TREE),
        "CCACHE_NOHASHDIR": "1",
    }


def build(targets: list[str], jobs: int) -> str:
    """What the compiler says where it fails, else ""."""
    targets = [target for target in targets if target]
    if not targets:
        return ""
    done = subprocess.run(
        ["ninja", "-C", str(BUILD), "-j", str(jobs), "--quiet", *targets],
        capture_output=True,
        text=True,
        env=environment(),
    )
    if done.returncode != 0:
        return done.stdout + done.stderr
    if "_ext" in targets:
        take_engine(BUILD / "libs3dlio.so.1", next((BUILD / "csrc" / "python").glob("_ext*.so")))
    return ""


def take_engine(library: Path, module: Path) -> None:
    package = TREE / "s3dlio_core"
    (package / "lib").mkdir(exist_ok=True)
    shutil.copy2(library, package / "lib")
    shutil.copy2(module, package)


def take_installed_engine() -> None:
    installed = importlib.util.find_spec("s3dlio_core._ext")
    if installed is None or installed.origin is None:
        raise SystemExit("the package is not installed here: make build")
    module = Path(installed.origin)
    take_engine(module.parent / "lib" / "libs3dlio.so.1", module)
    ops = module.parent.parent / "s3dlio_torch" / "_ops.so"
    if ops.exists():  # tests of the ops are skipped without them
        shutil.copy2(ops, TREE / "s3dlio_torch")


def put_copy_in_front() -> None:
    """An editable installation finds its packages by a hook of its own, which would win over PYTHONPATH."""
    front = BUILD / "front"
    front.mkdir(parents=True, exist_ok=True)
    (front / "sitecustomize.py").write_text(
        "import sys\nsys.meta_path[:] = [f for f in sys.meta_path if not type(f).__name__.startswith('ScikitBuild')]\n"
    )


@dataclass(frozen=True)
class Run:
    verdict: str  # "passed", "failed", "crashed", "hung", "not found"
    output: str
    seconds: float


def run_test(mutation: Mutation) -> Run:
    if mutation.program:
        # A comma would begin another filter.
        command = [str(BUILD / "tests" / "csrc" / mutation.target()), f"-tc={mutation.case.replace(',', '?')}", "-nc"]
    else:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", mutation.case]
    began = time.monotonic()
    process = subprocess.Popen(
        command, cwd=TREE, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        raw, _ = process.communicate(timeout=TEST_SECONDS)
        verdict = {0: "passed", 1: "failed"}.get(process.returncode, "crashed")
    except subprocess.TimeoutExpired:
        verdict, raw = "hung", b""
    with contextlib.suppress(ProcessLookupError):  # also what the test itself started
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    output = raw.decode(errors="replace")
    nothing_ran = re.search(r"test cases: +0 ", output) if mutation.program else process.returncode in (4, 5)
    return Run("not found" if nothing_ran else verdict, output, time.monotonic() - began)


def check_unmutated(mutations: list[Mutation]) -> list[str]:
    """A test that fails anyway shows nothing."""
    wrong = []
    for name, mutation in {mutation.test_name(): mutation for mutation in mutations}.items():
        run = run_test(mutation)
        if run.verdict != "passed":
            wrong.append(f"{name}: {run.verdict} without any mutation\n{run.output[-2000:]}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", nargs="+", help="only these rows, e.g. G1 U5")
    parser.add_argument("--program", nargs="+", help='only the tests of these programs, e.g. transfer; "pytest"')
    parser.add_argument("--number", nargs="+", type=int, help="only these, counted as the list shows them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="of the compiler")
    parser.add_argument("--show", action="store_true", help="what the tests that failed said")
    parser.add_argument("--page", action="store_true", help="write docs/faults.md and end")
    chosen = parser.parse_args()
    rows, mutations = load()
    if chosen.page:
        PAGE.write_text(page(rows, mutations))
        return 0
    numbered = [
        (number, mutation)
        for number, mutation in enumerate(mutations, 1)
        if (not chosen.row or mutation.row in chosen.row)
        and (not chosen.program or (mutation.program or "pytest") in chosen.program)
        and (not chosen.number or number in chosen.number)
    ]
    copy_tree()
    put_copy_in_front()
    targets = sorted({mutation.target() for _, mutation in numbered})
    configure("_ext" in targets)
    if "" in targets and "_ext" not in targets:
        take_installed_engine()
    if broken := build(targets, chosen.jobs):
        print(broken[-6000:])
        return 1
    if wrong := check_unmutated([mutation for _, mutation in numbered]):
        print("\n".join(wrong))
        return 1
    survived = 0
    for number, mutation in sorted(numbered, key=lambda item: item[1].target()):
        with mutated(mutation):
            broken = build([mutation.target()], chosen.jobs)
            run = Run("does not build", broken, 0) if broken else run_test(mutation)
        caught = run.verdict in {"failed", "crashed", "hung"}
        survived += not caught
        result = "caught" if caught else "SURVIVED" if run.verdict == "passed" else run.verdict.upper()
        print(
            f"{number:3} {mutation.row:4} {result:9} {run.verdict:8} {run.seconds:5.1f} s  {mutation.what}", flush=True
        )
        if chosen.show or broken:
            print(run.output[-3000:])
    print(f"{len(numbered)} mutations, {survived} survived")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
