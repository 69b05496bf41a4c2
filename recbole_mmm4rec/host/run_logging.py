"""The log of a run: the console and its own file, for as long as the run lasts."""

import hashlib
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from colorlog import ColoredFormatter
from recbole.utils import get_local_time
from recbole.utils.logger import RemoveColorFilter, log_colors_config

FOLDER = "log"


@contextmanager
def run_logging(config: Any) -> Iterator[logging.Logger]:
    """While this holds, the root logger, to which RecBole logs, also writes where RecBole's runs write.

    RecBole's ``init_logger`` leaves its handlers behind for good, adds none where a program has its own, and
    replaces the standard streams. Here the handlers of a surrounding program stay as they are, and the root
    logger gets its level back.

    Args:
        config: the run's configuration; ``state`` is the level.
    """
    root = logging.getLogger()
    before, level = root.level, getattr(logging, str(config["state"] or "").upper(), logging.INFO)
    handlers = [_console(), _file(config)]
    for handler in handlers:
        handler.setLevel(level)
        root.addHandler(handler)
    root.setLevel(level)
    try:
        yield root
    finally:
        root.setLevel(before)
        for handler in handlers:
            root.removeHandler(handler)
            with suppress(OSError):
                handler.close()


class LogFile(logging.FileHandler):
    """A file of messages that says once, in one line, that it cannot be written: the run goes on."""

    failed = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802, ARG002
        """Called by ``logging`` after an error; its own way is a traceback for every message."""
        if not self.failed:
            sys.stderr.write(f"warning: {self.baseFilename} cannot be written: {sys.exc_info()[1]}\n")
        self.failed = True


def _console() -> logging.Handler:
    handler = logging.StreamHandler()
    layout = "%(log_color)s%(asctime)-15s %(levelname)s  %(message)s"
    handler.setFormatter(ColoredFormatter(layout, "%d %b %H:%M", log_colors=log_colors_config))
    return handler


def _file(config: Any) -> logging.Handler:
    """``log/<Model>/<Model>-<dataset>-<time>-<settings>.log``, as RecBole calls it."""
    model, settings = config["model"], "".join(map(str, config.final_config_dict.values()))
    digest = hashlib.md5(settings.encode(), usedforsecurity=False).hexdigest()[:6]
    path = Path(FOLDER, model, f"{model}-{config['dataset']}-{get_local_time()}-{digest}.log")
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = LogFile(path, encoding="utf-8")
    handler.addFilter(RemoveColorFilter())
    handler.setFormatter(
        logging.Formatter("%(asctime)-15s %(levelname)s  %(message)s", "%a %d %b %Y %H:%M:%S")
    )
    return handler
