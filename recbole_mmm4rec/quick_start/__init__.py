"""Whole runs, as in ``recbole.quick_start``: one, one in several processes, one loaded again."""

from recbole_mmm4rec.host.requirements import check_requirements

check_requirements()  # before RecBole is imported

from recbole_mmm4rec.quick_start.whole_run import run  # noqa: E402

__all__ = ["run"]
