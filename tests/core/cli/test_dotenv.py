"""A .env that came with a folder: nothing in it runs a command, or sends the user's credentials anywhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from core.cli.cli_program import Ended, Program, access
from servers.fault_server import FaultServer

USERS = {"AWS_ACCESS_KEY_ID": "AKIAUSERS0000000", "AWS_SECRET_ACCESS_KEY": "users-secret", "AWS_SESSION_TOKEN": "users"}


@pytest.fixture
def cloned(tmp_path: Path) -> Path:
    folder = tmp_path / "cloned"
    folder.mkdir()
    return folder


def written(folder: Path, **variables: str) -> Path:
    path = folder / ".env"
    path.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    return path


def shown(ended: Ended) -> dict[str, tuple[Any, str]]:
    return {document["name"]: (document["value"], document["source"]) for document in ended.documents}


def test_no_command_of_the_folder_is_run(program: Program, cloned: Path, fault_server: FaultServer) -> None:
    ran = cloned / "ran"
    (cloned / "config").write_text(f"[default]\ncredential_process = /usr/bin/touch {ran}\n")
    written(cloned, AWS_CONFIG_FILE=str(cloned / "config"))
    env = {"AWS_ENDPOINT_URL_S3": fault_server.endpoint_url}
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AWS_CONFIG_FILE")  # so that the file could set it
        refused = program("ls", "s3://data/", env=env, cwd=cloned)
        assert not ran.exists()
        assert refused.status == 1
        assert "./.env: not taken: AWS_CONFIG_FILE (" in refused.stderr
        assert "--env-file .env" in refused.stderr
        # Said in so many words, it is the user's own doing.
        program("ls", "s3://data/", "--env-file", ".env", env=env, cwd=cloned)
        assert ran.exists()


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
@pytest.mark.parametrize(
    "more", [{}, {"AWS_SECRET_ACCESS_KEY": "s"}, {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}]
)
def test_a_stranger_gets_nothing_of_the_users(program: Program, cloned: Path, name: str, more: dict[str, str]) -> None:
    written(cloned, **{name: "http://127.0.0.1:9"}, **more)
    ended = program("env", "--json", env=USERS, cwd=cloned, ok=True)
    assert shown(ended)[name] == (None, "unset")
    assert f"not taken: {name} (would be sent credentials" in ended.stderr
    assert "users-secret" not in ended.stderr


def test_a_profile_of_the_users_is_not_sent_to_the_folders_endpoint(program: Program, cloned: Path) -> None:
    written(cloned, AWS_ENDPOINT_URL="http://127.0.0.1:9", AWS_ACCESS_KEY_ID="k", AWS_SECRET_ACCESS_KEY="s")
    assert shown(program("env", "--json", cwd=cloned))["AWS_ENDPOINT_URL"] == ("http://127.0.0.1:9", ".env")
    assert shown(program("env", "--json", "--profile", "mine", cwd=cloned))["AWS_ENDPOINT_URL"] == (None, "unset")


def test_endpoint_and_keys_of_one_file_are_taken_and_told(
    program: Program, cloned: Path, fault_server: FaultServer
) -> None:
    written(cloned, **access(fault_server))
    ended = program("ls", "s3://data/", cwd=cloned)
    assert fault_server.count("list") == 1
    assert f"from ./.env: AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL_S3={fault_server.endpoint_url}" in ended.stderr
    assert fault_server.secret_key not in ended.stderr


def test_a_half_of_the_environments_credentials_is_not_completed(program: Program, cloned: Path) -> None:
    written(cloned, AWS_ACCESS_KEY_ID="k", AWS_SECRET_ACCESS_KEY="s")
    ended = program("env", "--json", env={"AWS_SESSION_TOKEN": "token"}, cwd=cloned, ok=True)
    assert shown(ended)["AWS_ACCESS_KEY_ID"] == (None, "unset")
    assert "not taken: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY (the environment has another" in ended.stderr


@pytest.mark.parametrize("name", ["AWS_REGION", "S3DLIO_UPLOAD_CHECKSUM"])
def test_other_variables_are_not_read_through_it(program: Program, cloned: Path, name: str) -> None:
    written(cloned, **{name: "x${HOME_SECRET}"})
    ended = program("env", "--json", env={"HOME_SECRET": "home-secret"}, cwd=cloned, ok=True)
    assert "home-secret" not in ended.stdout.decode() + ended.stderr
    assert "holds a ${...}" in ended.stderr


def test_a_region_that_leads_elsewhere_is_none(program: Program, cloned: Path) -> None:
    written(cloned, AWS_REGION="x.example.org/")
    ended = program("env", "--json", cwd=cloned, ok=True)
    assert shown(ended)["AWS_REGION"] == (None, "unset")
    assert "no name of a region" in ended.stderr


def test_a_file_that_others_can_write_is_not_read(program: Program, cloned: Path) -> None:
    path = written(cloned, AWS_REGION="eu-west-1")
    path.chmod(0o666)
    ended = program("env", "--json", cwd=cloned, ok=True)
    assert shown(ended)["AWS_REGION"] == (None, "unset")
    assert "can be written by everybody" in ended.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file away needs root")
def test_a_file_of_another_user_is_not_read(program: Program, cloned: Path) -> None:
    path = written(cloned, AWS_REGION="eu-west-1")
    os.chown(path, 12345, 12345)
    ended = program("env", "--json", cwd=cloned, ok=True)
    assert shown(ended)["AWS_REGION"] == (None, "unset")
    assert "belongs to another user" in ended.stderr
    named = program("env", "--json", "--env-file", ".env", cwd=cloned, ok=True)
    assert shown(named)["AWS_REGION"] == ("eu-west-1", ".env")


def test_what_is_no_file_is_passed_over(program: Program, cloned: Path) -> None:
    os.mkfifo(cloned / ".env")
    assert program("env", cwd=cloned, ok=True).stderr == ""


def test_harmless_settings_need_no_word(program: Program, cloned: Path) -> None:
    written(cloned, AWS_REGION="eu-west-1", S3DLIO_PART_SIZE="32MiB", DATABASE_URL="postgres://")
    ended = program("env", "--json", cwd=cloned, ok=True)
    assert ended.stderr == ""
    assert shown(ended)["S3DLIO_PART_SIZE"] == ("32MiB", ".env")
    told = program("-v", "env", cwd=cloned, ok=True).stderr
    assert told.splitlines()[0] == "s3dlio: from ./.env: AWS_REGION, S3DLIO_PART_SIZE"


def test_an_env_file_that_is_missing_is_an_error(program: Program, cloned: Path) -> None:
    ended = program("env", "--env-file", "none.env", cwd=cloned)
    assert ended.status == 1
    assert ended.stderr == "s3dlio: none.env: No such file or directory\n"
