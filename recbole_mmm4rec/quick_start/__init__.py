"""Whole runs, as in ``recbole.quick_start``: one, one in several processes, one loaded again."""

from typing import TYPE_CHECKING, Any

from recbole_mmm4rec.host.requirements import check_requirements

check_requirements()  # before RecBole is imported

if TYPE_CHECKING:
    from recbole_mmm4rec.quick_start.whole_run import run

__all__ = ["run"]


def __getattr__(name: str) -> Any:
    """``run`` is imported on first use, as it needs torch and RecBole."""
    if name != "run":
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from recbole_mmm4rec.quick_start.whole_run import run

    return run
