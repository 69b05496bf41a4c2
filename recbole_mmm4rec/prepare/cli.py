"""``python -m recbole_mmm4rec.prepare``: flags to one call."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.guard import guarded
from recbole_mmm4rec.names import check_dataset_name
from recbole_mmm4rec.prepare.commands import COMMANDS, add_output, root_of
from recbole_mmm4rec.prepare.settings import KEYS, TEXT_KEYS, known_datasets, read_settings, source_of
from recbole_mmm4rec.prepare.shipped import SHIPPED, build_shipped

LOGGER = logging.getLogger("recbole_mmm4rec")

DESCRIPTION = """\
Make a dataset that RecBole can load, with a feature file for each modality.

  python -m recbole_mmm4rec.prepare ml-latest-small --source=ml-latest-small
  python -m recbole_mmm4rec.prepare my-shop --source=raw --layout=table --time_column=bought_at
  python -m recbole_mmm4rec.prepare demo-shop --part=a

Other commands (each with --help): merge, split, sample, import, import-unisrec, inspect.
Every command takes --debug, which shows the traceback of an error.

An interrupted run goes on when the same command is given again."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the command line after the program's name; ``sys.argv`` when None. ``--debug`` shows
            the traceback of an error.

    Returns:
        0, 2 for bad input (one line on standard error) or 130 when interrupted.
    """
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    LOGGER.setLevel(logging.INFO)
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug, rest = "--debug" in given, [flag for flag in given if flag != "--debug"]
    return guarded(lambda: _run(rest), debug, "interrupted; the same command goes on where this one stopped")


def _run(arguments: Sequence[str]) -> None:
    if arguments and arguments[0] in COMMANDS:
        COMMANDS[arguments[0]](arguments[1:])
        return
    options, rest = _parser().parse_known_args(arguments)
    overrides = _key_values(rest)
    name = f"{options.name}-{options.part}" if options.part else options.name
    check_dataset_name(name)
    target = root_of(options) / name
    if name in SHIPPED:
        if overrides or options.source or options.memory:
            raise UserError(f"{name} is made on the spot and takes no source, no memory and no keys")
        build_shipped(name, target, options.overwrite)
        LOGGER.info("%s is in %s", name, target)
        return
    _prepare_raw(name, options, overrides, target)


def _prepare_raw(name: str, options: argparse.Namespace, overrides: dict[str, Any], target: Path) -> None:
    from recbole_mmm4rec.prepare.large.choice import memory_of
    from recbole_mmm4rec.prepare.pipeline import prepare

    if name not in known_datasets() and not options.config and not overrides:
        known = ", ".join([*SHIPPED, *known_datasets()])
        raise UserError(
            f"no dataset '{name}' is known; known are {known}; for others give --layout or --config"
        )
    config = Path(options.config) if options.config else None
    source = options.source or source_of(config)
    if not source:
        raise UserError(f"{name} is made from raw files: --source names their folder")
    memory = memory_of(options.memory) if options.memory else None
    settings = read_settings(name, Path(source), overrides, config)
    prepare(name, settings, Path(source), target, options.overwrite, memory)
    LOGGER.info("%s is in %s", name, target)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m recbole_mmm4rec.prepare",
        description=DESCRIPTION,
        epilog=f"Further --key=value (see properties/prepare/overall.yaml): {', '.join(KEYS)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "name", help=f"dataset: {', '.join([*SHIPPED, *known_datasets()])}, or a name of your own"
    )
    parser.add_argument("--source", help="folder of the raw files")
    add_output(parser)
    parser.add_argument("--config", help="property file of a dataset of your own")
    parser.add_argument("--part", choices=["a", "b"], help="part of demo-shop: other users, other items")
    parser.add_argument(
        "--memory",
        help="memory for the interactions, such as 4GB (what is available); more of them are sorted on disk",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the dataset if it exists")
    return parser


def _key_values(arguments: Sequence[str]) -> dict[str, Any]:
    values = {}
    for argument in arguments:
        key, equals, value = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or not equals:
            raise UserError(f"'{argument}' is not understood; keys are given as --key=value")
        values[key] = _value(key, value)
    return values


def _value(key: str, text: str) -> Any:
    """Texts are taken as they stand (a template would be a YAML mapping), everything else is YAML."""
    if key in TEXT_KEYS and not text.startswith("["):
        return None if text in ("~", "null") else text
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"--{key}: '{text[:80]}' is not a YAML value") from error
