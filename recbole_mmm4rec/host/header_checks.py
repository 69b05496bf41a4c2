"""What the first lines of a dataset's files must say, whichever class of RecBole's reads them.

RecBole fails on a missing id, and on an id in the wrong file, with the traceback of a later step.
"""

from pathlib import Path
from typing import Any

from recbole_mmm4rec.data import validation
from recbole_mmm4rec.errors import UserError


def check_headers(config: Any) -> None:
    """Check the files of interactions, users and items that a run loads.

    Args:
        config: the run's configuration; its ``data_path`` is the dataset's folder.

    Raises:
        UserError: naming the file and the column.
    """
    user, item = config["USER_ID_FIELD"], config["ITEM_ID_FIELD"]
    for suffix, ids in (("inter", {user, item}), ("user", {user}), ("item", {item})):
        path = Path(config["data_path"], f"{config['dataset']}.{suffix}")
        if path.is_file() and _is_loaded(config, suffix):
            _check(path, ids, {user, item} - ids, config)


def _is_loaded(config: Any, suffix: str) -> bool:
    return config["load_col"] is None or suffix in config["load_col"]


def _check(path: Path, ids: set[str], others: set[str], config: Any) -> None:
    types = validation.read_header(path, config["field_separator"], config["encoding"])
    validation.check_columns(path, types, sorted(ids), None)
    chosen = (config["load_col"] or {}).get(path.suffix[1:], "*")
    for field in sorted(others & types.keys()):
        if chosen == "*" or field in chosen:
            raise UserError(f"{path}: column {field} belongs into the .inter file; leave it out by load_col")
