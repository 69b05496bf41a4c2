"""``export``: a checkpoint -> a form that other programs read, written whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import torch

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.recommend.export.item_vectors import check_suffix, write_vectors
from recbole_mmm4rec.recommend.loading import load, read_recommendable, recommender_of
from recbole_mmm4rec.recommend.telling import tell

ONNX, SAFETENSORS, VECTORS = "onnx", "safetensors", "vectors"
FORMS = (ONNX, SAFETENSORS, VECTORS)
DEFAULT_LICENSE = "other"


def export(
    checkpoint: str | os.PathLike[str],
    form: str,
    output: str | os.PathLike[str],
    license_name: str = DEFAULT_LICENSE,
) -> None:
    """Write a model in another form.

    Args:
        checkpoint: a model's checkpoint, or a folder that this function wrote.
        form: ``onnx``: a folder with user encoder and item tower; ``safetensors``: a folder in the layout of
            the Hugging Face Hub, which :func:`recbole_mmm4rec.load` reads; ``vectors``: a Parquet or NumPy
            file of item vectors.
        output: a folder that is not there yet or is empty; with ``vectors`` a file, ``.parquet`` or ``.npz``.
        license_name: what the model card says, an identifier of the Hub.

    Raises:
        UserError: another form, an output that is in the way, a missing extra, or a model that has no such
            form. Nothing is left behind then.
    """
    if form not in FORMS:
        raise UserError(f"format: {form!r} is not one of {', '.join(FORMS)}")
    target = Path(output)
    if form == VECTORS:
        check_suffix(target)
        recommender = load(checkpoint, "cpu")
        write_vectors(target, recommender.items, recommender.scorer.item_vectors()[1:])
    elif form == ONNX:
        _written(target, lambda folder: _onnx(checkpoint, folder))
    else:
        _written(target, lambda folder: _safetensors(checkpoint, folder, license_name))


def _onnx(checkpoint: str | os.PathLike[str], folder: Path) -> None:
    from recbole_mmm4rec.recommend.export.onnx_folder import write_onnx

    for line in write_onnx(load(checkpoint, "cpu"), folder):
        tell(line)


def _safetensors(checkpoint: str | os.PathLike[str], folder: Path, license_name: str) -> None:
    from recbole_mmm4rec.recommend.export.model_folder import write_model

    content = read_recommendable(checkpoint)
    recommender_of(content, torch.device("cpu"))  # one that cannot recommend is refused, not given away
    write_model(content, folder, license_name)


def _written(target: Path, write: Callable[[Path], None]) -> None:
    """Write a folder under a temporary name beside it and rename it."""
    if target.is_file() or (target.is_dir() and any(target.iterdir())):
        raise UserError(f"{target}: exists and is not an empty folder")
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        write(temporary)
        os.replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
