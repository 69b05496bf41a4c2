"""What must be equal on all hosts of a run: settings, versions, and the files of the dataset."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recbole_mmm4rec.cluster.group import group
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.quick_start.run_key import dataset_hashes, package_versions, settings_of
from recbole_mmm4rec.training import distributed

ABSENT = "nothing"


def check_same_run(config: Any) -> None:
    """Refuse to train on other data, with other settings or other code on some host.

    Raises:
        UserError: naming the first thing that differs from the host of process 0, in all processes.
    """
    here = group()
    if here is None or len(here.first_ranks) == 1:
        return
    facts = distributed.gather_objects(_facts(config) if here.is_first_here else None)
    for rank in here.first_ranks[1:]:
        for kind, first in facts[0].items():
            difference = _difference(first, facts[rank][kind])
            if difference:
                raise UserError(f"processes 0 and {rank} are on hosts with different {kind}: {difference}")


def _facts(config: Any) -> dict[str, dict[str, Any]]:
    return {
        "settings": settings_of(config),
        "versions": package_versions(),
        f"files of '{config['dataset']}'": dataset_hashes(Path(config["data_path"]), config["dataset"]),
    }


def _difference(first: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    for key in sorted(first.keys() | other.keys()):
        one, two = first.get(key, ABSENT), other.get(key, ABSENT)
        if one != two:
            return f"{key} {one} and {two}"
    return ""
