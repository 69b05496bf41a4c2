"""``recbole-mmm4rec``: one command per task. ``run_recbole.py`` offers the same by RecBole's flags."""

import sys
from collections.abc import Sequence
from typing import Any

import click

from recbole_mmm4rec.cli import recommend as recommending
from recbole_mmm4rec.cli import run_recbole
from recbole_mmm4rec.cli.help import help_text, version_text
from recbole_mmm4rec.cli.serve import serve
from recbole_mmm4rec.guard import guarded
from recbole_mmm4rec.waiting_threads import let_waiting_threads_sleep

FLAGS = {"ignore_unknown_options": True, "allow_interspersed_args": False}
"""A command takes any ``--key=value``; the configuration checks them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: the command line after the program's name; ``sys.argv`` when None.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    let_waiting_threads_sleep()  # before anything imports torch
    return guarded(lambda: _command(given), "--debug" in given)


def _command(given: list[str]) -> int:
    try:
        return commands.main(given, prog_name="recbole-mmm4rec", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:  # what click makes of Ctrl-C
        raise KeyboardInterrupt from None


def _show_version(context: click.Context, _parameter: click.Parameter, asked: bool) -> None:
    if asked:
        click.echo(version_text(), nl=False)
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Versions of what matters.",
)
def commands() -> None:
    """Multi-modal, transferable sequential recommendation for RecBole.

    Every command takes --debug, which shows the traceback of an error.
    """


def command(name: str, **settings: Any) -> Any:
    """A command that hands everything after its name on."""
    return commands.command(name, context_settings=FLAGS, add_help_option=False, **settings)


REST = click.argument("rest", nargs=-1, type=click.UNPROCESSED)


@command("train")
@REST
def train(rest: tuple[str, ...]) -> int:
    """Train and evaluate a model: --model=M --dataset=D --key=value ... (--help lists the flags)."""
    return run_recbole.main(rest)


@command("prepare")
@REST
def prepare(rest: tuple[str, ...]) -> int:
    """Make a dataset from raw files; also merge, split, sample, import and inspect datasets."""
    from recbole_mmm4rec.prepare.cli import main as prepare_main

    return prepare_main(rest)


@command("benchmark")
@REST
def benchmark(rest: tuple[str, ...]) -> int:
    """Many runs and their report: a YAML file, a ready benchmark, or models: A,B --dataset=d,e."""
    return _named("benchmark", rest)


@command("report")
@REST
def report(rest: tuple[str, ...]) -> int:
    """Write the report of a benchmark's folder anew."""
    return _named("report", rest)


@command("tune")
@REST
def tune(rest: tuple[str, ...]) -> int:
    """Search hyper-parameters: a .hyper file or a model's name."""
    return _named("tune", rest)


@command("bench")
@REST
def bench(rest: tuple[str, ...]) -> int:
    """Measure training steps (a number of them) or what --help lists under --bench; then --key=value."""
    named = rest if rest and not rest[0].startswith("--") else (str(run_recbole.DEFAULT_STEPS), *rest)
    return _named("bench", named)


for task in (*recommending.COMMANDS, serve):
    commands.add_command(task)


@commands.command("models")
@click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")
def models() -> int:
    """List the models that --model takes."""
    from recbole_mmm4rec.host.catalogue import our_models, recbole_models, registered_models

    click.echo(f"ours: {', '.join(our_models())}")
    click.echo(f"of other packages: {', '.join(registered_models()) or 'none'}")
    click.echo(f"RecBole's: {', '.join(recbole_models())}")
    return 0


def _named(task: str, rest: tuple[str, ...]) -> int:
    """``task NAME --key=value`` as ``--task=NAME --key=value``."""
    if rest and rest[0] in ("--help", "-h"):
        click.echo(help_text())
        return 0
    if not rest or rest[0].startswith("--"):
        example = " ".join([task, "NAME", *rest[:1]])
        raise click.UsageError(f"'{task}' expects what to work on before its flags, e.g. {example}")
    return run_recbole.main([f"--{task}={rest[0]}", *rest[1:]])
