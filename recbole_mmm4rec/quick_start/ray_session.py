"""Ray on this machine, with workers that find this package wherever it lies."""

import logging
import os
from pathlib import Path
from typing import Any

import recbole_mmm4rec


def start_ray(cpus: int | None = None) -> Any:
    """Start Ray unless the program has done so, and return the module.

    Args:
        cpus: CPUs that Ray may hand out; by default all.
    """
    import ray

    if not ray.is_initialized():
        # workers unpickle functions of this package, which need not be installed
        root = str(Path(recbole_mmm4rec.__file__).resolve().parents[1])
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
        ray.init(num_cpus=cpus, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    return ray
