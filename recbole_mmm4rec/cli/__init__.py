"""The command line."""

from recbole_mmm4rec.cli.app import main

__all__ = ["main"]
