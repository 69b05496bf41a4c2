"""What every command does with an error: one line and an exit code, or the traceback with ``--debug``."""

import sys
from collections.abc import Callable

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.requirements import check_requirements

DONE, BAD_INPUT, INTERRUPTED = 0, 2, 130


def guarded(call: Callable[[], int | None], debug: bool = False, interrupted: str = "interrupted") -> int:
    """Run a command and turn what ends it into an exit code.

    Args:
        call: the command; returns its exit code, None for 0.
        debug: let errors through, so that Python prints their traceback.
        interrupted: line for Ctrl-C.

    Returns:
        The command's exit code; 2 for bad input (one line on standard error), 130 when interrupted.
    """
    try:
        check_requirements()
        return call() or DONE
    except KeyboardInterrupt:
        sys.stderr.write(f"{interrupted}\n")
        return INTERRUPTED
    except UserError as error:
        return _refused(error, str(error), debug)
    except ModuleNotFoundError as error:  # some of RecBole's models need packages that it does not install
        return _refused(error, f"this run needs the package '{error.name}', which is not installed", debug)
    except OSError as error:
        return _refused(error, _line_of(error), debug)


def _line_of(error: OSError) -> str:
    line = f"{error.filename}: {error.strerror or error}" if error.filename else str(error)
    return " ".join(line.split())  # pyarrow's have several lines


def _refused(error: Exception, line: str, debug: bool) -> int:
    if debug:
        raise error
    sys.stderr.write(f"error: {' '.join(line.split())}\n")  # libraries write several lines
    return BAD_INPUT
