"""The log of a run: RecBole's, and a fresh file for every run of a process."""

import logging
from typing import Any

from colorlog import ColoredFormatter
from recbole.utils import init_logger


def start_logger(config: Any) -> logging.Logger:
    """RecBole's logger for a run; handlers of an earlier run in this process are closed first.

    RecBole relies on ``logging.basicConfig``, which does nothing while the root logger has handlers.
    """
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if type(handler) is logging.FileHandler or isinstance(handler.formatter, ColoredFormatter):
            root.removeHandler(handler)
            handler.close()
    init_logger(config)
    return root
