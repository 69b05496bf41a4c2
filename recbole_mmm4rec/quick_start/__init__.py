"""Whole runs, as in ``recbole.quick_start``: one, one in several processes, one loaded again."""

from recbole_mmm4rec.quick_start.whole_run import run

__all__ = ["run"]
