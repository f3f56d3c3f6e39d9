"""The installed header and library, as a C program of somebody else uses them."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import time
from pathlib import Path
from types import ModuleType

import pytest
from servers.fault_server import FaultServer

from s3dlio_core import c_api

HERE = Path(__file__).parent
STRICT = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror"]


def build(source: Path, program: Path) -> Path:
    library = Path(c_api.get_library())
    command = ["cc", *STRICT, str(source), f"-I{c_api.get_include()}", str(library), f"-Wl,-rpath,{library.parent}"]
    done = subprocess.run([*command, "-o", str(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(HERE / "objects.c", tmp_path_factory.mktemp("c") / "objects")


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_objects", HERE / "run_objects.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_files(program: Path, runner: ModuleType, tmp_path: Path) -> None:
    runner.over_files(program, tmp_path)


def test_s3_with_credentials_from_each_place(program: Path, runner: ModuleType, tmp_path: Path) -> None:
    runner.over_s3(program, tmp_path)


def test_the_header_is_c_and_cpp_by_itself(tmp_path: Path) -> None:
    for compiler, suffix, standard in (("cc", "c", "c99"), ("c++", "cpp", "c++11")):
        source = tmp_path / f"alone.{suffix}"
        source.write_text(
            '#include "s3dlio.h"\nint main(void) { return s3dlio_abi_version() != S3DLIO_ABI_VERSION; }\n'
        )
        command = [compiler, f"-std={standard}", *STRICT[1:], "-fsyntax-only", f"-I{c_api.get_include()}", str(source)]
        subprocess.run(command, check=True)


def test_the_name_carries_the_interface_version() -> None:
    header = (Path(c_api.get_include()) / "s3dlio.h").read_text()
    version = Path(c_api.get_library()).suffix[1:]
    assert f"#define S3DLIO_ABI_VERSION {version}\n" in header
    dynamic = subprocess.run(["readelf", "-d", c_api.get_library()], capture_output=True, text=True, check=True).stdout
    assert f"Library soname: [libs3dlio.so.{version}]" in dynamic


def test_only_the_interface_and_what_the_doors_need_are_shown() -> None:
    shown = subprocess.run(
        ["nm", "-D", "--defined-only", c_api.get_library()], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    names = {line.split()[-1].partition("@")[0] for line in shown}
    header = (Path(c_api.get_include()) / "s3dlio.h").read_text()
    declared = set(re.findall(r"\b(s3dlio_\w+)\(", header))
    assert {name for name in names if name.startswith("s3dlio_")} == declared
    assert len(names) < 130


def test_exit_aborts_an_open_writer_and_takes_a_read_back(tmp_path: Path) -> None:
    program = build(HERE / "leaves_writer.c", tmp_path / "leaves_writer")
    with FaultServer() as server:
        server.put_object("bucket", "slow", b"x" * 1000)
        server.fault("get", stall_head=True, times=None)
        variables = {
            "AWS_ENDPOINT_URL": server.endpoint_url,
            "AWS_ACCESS_KEY_ID": "AK",
            "AWS_SECRET_ACCESS_KEY": "s3cret",
        }
        began = time.monotonic()
        done = subprocess.run(
            [program, "s3://bucket/"], env=variables, capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stdout) == (0, "ending\n")
        assert time.monotonic() - began < 10
        assert server.count("abort_upload") == 1
        assert server.stored("bucket", "unfinished") is None
