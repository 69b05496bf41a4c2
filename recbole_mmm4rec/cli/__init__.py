"""The command line: ``recbole-mmm4rec`` and ``run_recbole.py``."""

from recbole_mmm4rec.cli.app import main

__all__ = ["main"]
