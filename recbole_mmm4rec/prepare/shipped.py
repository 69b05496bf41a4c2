"""The datasets that come with the installation: made on first use, in seconds, without a download."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.demo_shop import PARTS, build_demo_shop
from recbole_mmm4rec.prepare.ml_100k import NAME as ML_100K
from recbole_mmm4rec.prepare.ml_100k import build_ml_100k
from recbole_mmm4rec.prepare.staging import staged_folder

LOGGER = logging.getLogger(__name__)

_BUILDERS: dict[str, Callable[[Path], None]] = {
    ML_100K: build_ml_100k,
    **{name: partial(build_demo_shop, name) for name in PARTS},
}

SHIPPED = tuple(_BUILDERS)
"""Names that ``ensure_dataset`` can make."""


def ensure_dataset(name: str, data_path: str | Path) -> bool:
    """Make the dataset ``name`` under the folder ``data_path`` where it is absent; True if it was made.

    Several processes may ask at once: each builds its own copy and the first rename wins. Other names than
    ``SHIPPED`` are left alone.
    """
    target = Path(data_path) / name
    if name not in _BUILDERS or (target / f"{name}.inter").is_file():
        return False
    try:
        build_shipped(name, target)
    except (UserError, OSError):
        if not (target / f"{name}.inter").is_file():
            raise
    return True


def build_shipped(name: str, target: Path, overwrite: bool = False) -> None:
    """Build the shipped dataset ``name`` as the folder ``target``."""
    LOGGER.info("Making the dataset %s in %s", name, target)
    with staged_folder(target, overwrite) as folder:
        _BUILDERS[name](folder)
