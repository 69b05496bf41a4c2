"""What one of several processes of a run does.

A new process reads this module, and what it is given, before it does anything: neither loads RecBole, so that
scikit-learn can be kept out first, a second of every process.
"""

from collections.abc import Callable
from typing import Any

from recbole_mmm4rec.child_process import end_with_parent
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.host_warnings import ignore_host_warnings
from recbole_mmm4rec.host.late_sklearn import import_recbole_metrics
from recbole_mmm4rec.quick_start.launch import Launch

Arguments = Callable[[], dict[str, Any]]
"""The arguments of ``run``, asked for in every process; it can be pickled."""


def work(local_rank: int, launch: Launch, port: int, arguments: Arguments, queue: Any) -> None:
    """Take part in a run; its result, or the line of an error, is put into ``queue``.

    Unpickling this function imports the package, which registers it with RecBole.
    """
    end_with_parent()
    ignore_host_warnings()
    import_recbole_metrics()
    from recbole_mmm4rec.cluster.group import joined
    from recbole_mmm4rec.quick_start.whole_run import run
    from recbole_mmm4rec.training.process import prepare_process

    prepare_process()

    def say(outcome: Any) -> None:
        queue.put(outcome)
        queue.close()
        queue.join_thread()  # the process may end at once

    try:
        with joined(launch.place(local_rank, port), launch.limits, say):
            outcome: Any = run(**arguments())
    except UserError as error:
        say(str(error))
        raise SystemExit(2) from error
    if local_rank == 0:
        say(outcome)
