"""The settings that a resumed run takes from its checkpoint."""

import os
from collections.abc import Mapping
from typing import Any

from recbole_mmm4rec.cluster.brought import brought
from recbole_mmm4rec.errors import ResumeError
from recbole_mmm4rec.training.checkpoint import read_settings
from recbole_mmm4rec.training.plain import plain_config

FIXED_KEYS = ("model", "dataset", "fidelity")
"""Keys that decide what other keys mean: a run that goes on cannot change them."""


def settings_to_resume(path: str | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the interrupted run, the model and the dataset among them; none without a checkpoint.

    Args:
        path: value of ``resume``.
        given: what the user asks for; other values of these keys than the run's are allowed, except for
            :data:`FIXED_KEYS` and the folder.

    Raises:
        ResumeError: not a checkpoint of a run, or one of another model, dataset, fidelity or folder.
    """
    if not path:
        return {}
    with brought(path) as here:
        settings = read_settings(here)
    for key in ("model", "dataset"):
        if not isinstance(settings.get(key), str):
            raise ResumeError(f"resume: {path} is not a checkpoint of a run: its settings name no {key}")
    for key in FIXED_KEYS:
        wanted, was = given.get(key), settings.get(key)
        if wanted is not None and was is not None and wanted != was:
            raise ResumeError(f"resume: {path} is a run with {key} '{was}', which cannot go on as '{wanted}'")
    # its files are in one folder, and its frozen parameters follow from the weights that it started from
    folder = os.path.dirname(path) or "."
    if given.get("checkpoint_dir") and os.path.abspath(given["checkpoint_dir"]) != os.path.abspath(folder):
        raise ResumeError(
            f"checkpoint_dir: a run that goes on writes into the folder of {path}; leave it out"
        )
    place = {"checkpoint_dir": folder, "pretrained": settings.get("pretrained")}
    return plain_config(settings) | place
