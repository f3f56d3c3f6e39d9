"""The program's frame: options every command knows, and how errors, Ctrl-C and closed pipes end it."""

import dataclasses
import functools
import inspect
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any, NoReturn

import typer

from s3dlio_core import __version__
from s3dlio_core.cli import dotenv_file
from s3dlio_core.cli.failures import print_error
from s3dlio_core.cli.output import writing
from s3dlio_core.cli.report import told_at_the_end
from s3dlio_core.cli.session import Session
from s3dlio_core.cli.stopping import status_of, stop_on_signals

__all__ = ["app", "command"]

HELP = """Move objects between stores and disks: s3://bucket/key, file:///path, direct:///path (O_DIRECT).

\b
Examples:
  s3dlio put s3://train/data/ -n 1000 -s 4MiB     generate a data set
  s3dlio ls -r s3://train/data/                   list it
  s3dlio get -r s3://train/data/ -j 64            read it and tell the rate
  s3dlio upload ./images s3://train/images/       copy a folder up
  s3dlio download s3://train/images/ ./copy       and down again
  s3dlio env                                      which settings act, and where they come from

Credentials come from the environment, a .env file in the working directory (what it may set is told; --env-file FILE
takes all of a file), and the AWS profile, SSO, container and instance chain.

Exit status: 0 all done, 1 something failed or nothing was found, 2 wrong usage, 130 stopped by Ctrl-C, 143 by SIGTERM.
"""
EPILOG = "Options of `s3dlio --help`, such as --endpoint-url, --region, --profile and -v, may follow a command as well."

app = typer.Typer(
    name="s3dlio",
    help=HELP,
    rich_markup_mode=None,  # rich help costs more than all the rest of --help
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"s3dlio {__version__}")
        raise typer.Exit


@app.callback()
def _connection(
    ctx: typer.Context,
    endpoint_url: Annotated[
        str | None, typer.Option("--endpoint-url", "--endpoint", help="S3 server, e.g. http://127.0.0.1:8333.")
    ] = None,
    region: Annotated[str | None, typer.Option("--region", help="AWS region of the bucket.")] = None,
    profile: Annotated[str | None, typer.Option("--profile", help="Profile of ~/.aws/config.")] = None,
    ca_bundle: Annotated[
        str | None, typer.Option("--ca-bundle", help="PEM file of certificate authorities to trust.")
    ] = None,
    no_sign_request: Annotated[
        bool, typer.Option("--no-sign-request", help="Send no credentials, for public buckets.")
    ] = False,
    env_file: Annotated[
        str | None,
        typer.Option("--env-file", metavar="FILE", help="Variables, all of them; instead of ./.env, of which few are."),
    ] = None,
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose", "-v", count=True, show_default=False, help="-v: what was done; -vv: every request, tracebacks."
        ),
    ] = 0,
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    ctx.obj = Session(endpoint_url, region, profile, ca_bundle, no_sign_request, verbose, env_file)


def _shared_parameters() -> list[inspect.Parameter]:
    """The options above once more, for behind a command; hidden there, so that each help page stays its own."""
    parameters = []
    for parameter in inspect.signature(_connection).parameters.values():
        if parameter.name in ("ctx", "version"):
            continue
        kind, option = parameter.annotation.__origin__, parameter.annotation.__metadata__[0]
        hidden = typer.Option(option.default, *option.param_decls, hidden=True, count=option.count)
        parameters.append(parameter.replace(annotation=Annotated[kind, hidden], kind=inspect.Parameter.KEYWORD_ONLY))
    return parameters


def command(*names: str) -> Callable[[Callable[..., int | None]], Callable[..., int | None]]:
    """Make a function a command of these names (the first is shown). It takes a Session and gives the exit status."""

    def register(function: Callable[..., int | None]) -> Callable[..., int | None]:
        own = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        ]
        shared = _shared_parameters()

        @functools.wraps(function)
        def invoke(ctx: typer.Context, **given: Any) -> None:
            session: Session = ctx.obj
            late = {parameter.name: given.pop(parameter.name) for parameter in shared}
            late["verbosity"] = session.verbosity + late.pop("verbose")
            late["no_sign_request"] = session.no_sign_request or late["no_sign_request"]
            session = dataclasses.replace(session, **{name: v for name, v in late.items() if v is not None})
            _run(function, session, given)

        context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
        parameters = [context, *own, *shared]
        invoke.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        invoke.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        for position, name in enumerate(names):
            app.command(name, hidden=position > 0, epilog=EPILOG)(invoke)
        return function

    return register


def _run(function: Callable[..., int | None], session: Session, given: dict[str, Any]) -> NoReturn:
    """Run one command and leave with its exit status."""
    status = 1
    stop_on_signals()
    try:
        dotenv_file.load(session)
        with session.logging(), told_at_the_end(function.__name__.partition("_objects")[0], session.verbosity):
            status = function(session, **given) or 0
            session.close()
        with writing():
            sys.stdout.flush()
    except KeyboardInterrupt as error:
        print("s3dlio: stopped", file=sys.stderr)
        status = status_of(error)
    except BrokenPipeError:
        _drop_output()  # the reader has seen enough (`| head`)
        status = 141
    except (typer.Exit, typer.Abort, typer.BadParameter):
        raise
    except Exception as error:
        status = 1  # also where the command was done, and its output then could not be written
        print_error(error, verbosity=session.verbosity)
        try:
            sys.stdout.flush()
        except OSError:
            _drop_output()
    raise typer.Exit(status)


def _drop_output() -> None:
    """What Python still holds for standard output has nowhere to go; at its end it would say so in its own way."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
