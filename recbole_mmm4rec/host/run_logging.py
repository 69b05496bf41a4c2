"""The log of a run: RecBole's, and a fresh file for every run of a process."""

import logging
from typing import Any

from colorlog import ColoredFormatter
from recbole.utils import init_logger


def start_logger(config: Any) -> logging.Logger:
    """RecBole's logger for a run; handlers of an earlier run in this process are closed first.

    RecBole relies on ``logging.basicConfig``, which does nothing while the root logger has handlers, so those
    of the surrounding program are set aside meanwhile.
    """
    root = logging.getLogger()
    others = []
    for handler in root.handlers[:]:
        root.removeHandler(handler)
        if type(handler) is logging.FileHandler or isinstance(handler.formatter, ColoredFormatter):
            handler.close()
        else:
            others.append(handler)
    init_logger(config)
    for handler in others:
        root.addHandler(handler)
    return root
