"""The command line: flags to one call of the quick start, nothing else."""

import sys
from collections.abc import Sequence
from typing import Any

from recbole_mmm4rec.command_line import parse
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.help import help_text, version_text

BAD_INPUT = 2
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: the command line after the program's name; ``sys.argv`` when None.

    Returns:
        Exit code: 0 done, 2 bad input (one line on standard error), 130 interrupted.
    """
    try:
        return _run(parse(sys.argv[1:] if arguments is None else arguments))
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return BAD_INPUT
    except ModuleNotFoundError as error:  # some of RecBole's models need packages that it does not install
        sys.stderr.write(f"error: this run needs the package '{error.name}', which is not installed\n")
        return BAD_INPUT
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED


def _run(flags: dict[str, str]) -> int:
    if "version" in flags:
        sys.stdout.write(version_text())
    elif "help" in flags:
        sys.stdout.write(help_text(flags.get("model")))
    else:
        _train(flags)
    return 0


def _train(flags: dict[str, str]) -> None:
    # imported late: --help and --version need neither torch nor RecBole's trainers
    from recbole_mmm4rec.command_line import typed_values
    from recbole_mmm4rec.processes import run_in_processes

    model, dataset = flags.pop("model", None), flags.pop("dataset", None)
    files = flags.pop("config_files", "").split()
    nproc = flags.pop("nproc", "1")
    if not nproc.isdigit():
        raise UserError(f"--nproc expects a whole number, got '{nproc}'")
    call: dict[str, Any] = {
        "model": model,
        "dataset": dataset,
        "config_file_list": files,
        "config_dict": typed_values(flags, model, dataset),
        "origin": "command line",
    }
    run_in_processes(int(nproc), call)


if __name__ == "__main__":
    sys.exit(main())
