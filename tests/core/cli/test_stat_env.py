"""stat, env, buckets of files, and what holds for every command: help, versions, where options stand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from core.cli.cli_program import Program

COMMANDS = ["cat", "cp", "create-bucket", "delete", "delete-bucket", "download", "env", "get", "index", "list",
            "list-buckets", "put", "stat", "sweep", "upload", "ls", "rm"]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_by_example_without_credentials(program: Program, command: str) -> None:
    ended = program(command, "--help", ok=True)
    assert "Examples:" in ended.stdout.decode()
    assert f"s3dlio {command}" in ended.stdout.decode() or command in ("ls", "rm", "list", "delete")


def test_help_lists_every_command_once(program: Program) -> None:
    text = program("--help", ok=True).stdout.decode()
    shown = [line.split()[0] for line in text.partition("Commands:")[2].splitlines() if line.strip()]
    assert shown == [command for command in COMMANDS if command not in ("ls", "rm")]


def test_version(program: Program) -> None:
    assert program("--version", ok=True).lines[0].startswith("s3dlio ")


def test_unknown_commands_and_options_end_with_2(program: Program) -> None:
    assert program("frobnicate").status == 2
    assert program("ls", "--frobnicate", "file:///tmp").status == 2


def test_connection_options_stand_before_or_behind(program: Program) -> None:
    # Nothing listens there, and the error names the place.
    env = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "S3DLIO_MAX_ATTEMPTS": "1"}
    endpoint = ("--endpoint-url", "http://127.0.0.1:9")
    for arguments in ((*endpoint, "ls", "s3://bucket/"), ("ls", "s3://bucket/", *endpoint)):
        ended = program(*arguments, env=env)
        assert ended.status == 1
        assert "127.0.0.1:9" in ended.stderr
        assert len(ended.stderr.splitlines()) == 1


def test_vv_shows_the_traceback(program: Program, folder: Path) -> None:
    assert "Traceback" not in program("cat", f"file://{folder}/none").stderr
    assert "Traceback" in program("cat", "-vv", f"file://{folder}/none").stderr
    assert "Traceback" in program("-vv", "cat", f"file://{folder}/none").stderr


def test_stat(program: Program, folder: Path) -> None:
    document = program("stat", "--json", f"file://{folder}/grün.txt", ok=True).document
    assert (document["uri"], document["key"], document["size"]) == (f"file://{folder}/grün.txt", "grün.txt", 6)
    assert document["last_modified"].endswith("Z")
    assert document["user_metadata"] == {}
    lines = program("stat", f"file://{folder}/a.csv", ok=True).lines
    assert any(line.split() == ["size:", "1"] for line in lines)


def test_stat_of_several_goes_on(program: Program, folder: Path) -> None:
    ended = program("stat", "--json", *(f"file://{folder}/{name}" for name in ("a.csv", "none", "b.csv")))
    assert ended.status == 1
    assert [document["size"] for document in ended.documents] == [1, 2]
    assert "none" in ended.stderr


def test_control_characters_of_keys_do_not_reach_the_errors(program: Program, tmp_path: Path) -> None:
    ended = program("stat", f"file://{tmp_path}/evil\x1b[2Jname\nline")
    assert ended.status == 1
    assert "\x1b" not in ended.stderr
    assert "evil" in ended.stderr


def test_names_that_are_not_utf8(program: Program, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "plain").write_bytes(b"1")
    ended = program("ls", "--json", f"file://{tmp_path}/data/", ok=True)
    assert [document["key"] for document in ended.documents] == ["plain"]


def test_env_tells_value_and_source_and_hides_secrets(program: Program, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        'AWS_REGION=eu-west-1\nAWS_ACCESS_KEY_ID=AKIAEXAMPLE12345\nAWS_SECRET_ACCESS_KEY="from/dotenv+secret"\n'
        "AWS_SESSION_TOKEN=token-token-token\nS3DLIO_PART_SIZE=32MiB\nAWS_PROFILE=dot\n"
    )
    env = {
        "AWS_REGION": "us-west-2",
        "AWS_ENDPOINT_URL": "https://user:password@example.org:1/path",
    }
    ended = program("env", "--json", env=env, cwd=tmp_path, ok=True)
    shown = {document["name"]: (document["value"], document["source"]) for document in ended.documents}
    assert shown["AWS_REGION"] == ("us-west-2", "environment")
    assert shown["AWS_PROFILE"] == ("dot", ".env")
    assert shown["AWS_SECRET_ACCESS_KEY"] == ("(hidden)", ".env")
    assert shown["AWS_SESSION_TOKEN"] == ("(hidden)", ".env")
    assert shown["AWS_ACCESS_KEY_ID"] == ("...2345", ".env")
    assert shown["AWS_ENDPOINT_URL"] == ("https://***@example.org:1/path", "environment")
    assert shown["S3DLIO_PART_SIZE"] == ("32MiB", ".env")
    assert shown["S3DLIO_MAX_CONNECTIONS"][1] == "default"
    assert shown["AWS_DEFAULT_REGION"] == (None, "unset")
    plain = program("env", env=env, cwd=tmp_path, ok=True)
    for secret in ("from/dotenv", "token-token", "password", "AKIAEXAMPLE"):
        assert secret not in plain.stdout.decode() + ended.stdout.decode() + ended.stderr + plain.stderr


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("user:password@example.org:9", "***@example.org:9"),
        ("https://example.org/?X-Amz-Security-Token=password", "https://example.org/?***"),
        ("https://user:pass@word@example.org/a@b", "https://***@b"),
        ("https://example.org", "https://example.org"),
    ],
)
def test_env_hides_secrets_of_addresses(value: str, shown: str) -> None:
    from s3dlio_core.cli.redaction import redact

    assert redact("AWS_ENDPOINT_URL", value) == shown


def test_env_names_a_variable_for_each_field_of_tuning(program: Program) -> None:
    from dataclasses import fields

    from s3dlio_core import Tuning

    names = {json.loads(line)["name"] for line in program("env", "--json", ok=True).lines}
    assert {f"S3DLIO_{field.name.upper()}" for field in fields(Tuning)} <= names


def test_a_wrong_variable_is_named(program: Program, tmp_path: Path) -> None:
    ended = program("ls", f"file://{tmp_path}/", env={"S3DLIO_PART_SIZE": "many"})
    assert ended.status == 1
    assert "S3DLIO_PART_SIZE" in ended.stderr
    assert "many" in ended.stderr


def test_the_library_does_not_read_dotenv(tmp_path: Path) -> None:
    import subprocess
    import sys

    (tmp_path / ".env").write_text("S3DLIO_PART_SIZE=32MiB\n")
    code = "import s3dlio_core; print(s3dlio_core.Tuning.from_environment().part_size)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=True)
    assert int(done.stdout) == 8 << 20
