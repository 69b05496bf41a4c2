"""A folder that recommends without PyTorch: user encoder, item tower, item vectors and what to know of them.

======================  ===================================================================================
``user_encoder.onnx``   histories of item numbers, lengths and times -> user vectors
``item_tower.onnx``     features -> rows of the user encoder's tables, and candidates; models of content
``scorer.onnx``         user vectors and candidate vectors -> scores; only where these are not plain products
``counts.onnx``         histories and lengths -> what counts add to the scores; with ``co_occurrence``
``items.parquet``       ``item_id`` and ``vector``, the candidates; row i is the item with number i + 1
``onnx.json``           names of inputs and outputs, L, and which files there are
======================  ===================================================================================
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.extras import require_extra
from recbole_mmm4rec.files import write_json
from recbole_mmm4rec.model.interface import TrainingHooks
from recbole_mmm4rec.recommend.export.item_vectors import write_vectors
from recbole_mmm4rec.recommend.export.onnx_graph import (
    Graph,
    NotExportableError,
    write_graph,
)
from recbole_mmm4rec.recommend.export.towers import Counts, HostUserEncoder, ItemTower, Score, UserEncoder
from recbole_mmm4rec.recommend.recommender import Recommender

PACKAGES = ("onnx", "onnxruntime", "onnxscript")
USER_ENCODER, ITEM_TOWER, SCORER = "user_encoder.onnx", "item_tower.onnx", "scorer.onnx"
COUNTS = "counts.onnx"
ITEMS, FACTS = "items.parquet", "onnx.json"
_FIRST_MOMENT = 1.5e9


def write_onnx(recommender: Recommender, folder: Path) -> list[str]:
    """Write the folder's files.

    Args:
        recommender: on the CPU.
        folder: exists.

    Returns:
        One line per part that the model cannot have as ONNX.

    Raises:
        UserError: the extra is missing, or there is no user encoder for this model.
    """
    require_extra("onnx", PACKAGES, "ONNX")
    name = recommender.blueprint.name
    properties = {"model": name, "history_length": str(recommender.blueprint.max_length)}
    graphs = {USER_ENCODER: _user_encoder(recommender)}
    if recommender.scorer.is_ours and not recommender.scorer.scores_are_products:
        graphs[SCORER] = _score(recommender)
    if recommender.scorer.is_ours and recommender.scorer.model.co_occurrence is not None:
        graphs[COUNTS] = _counts(recommender)
    for file, graph in graphs.items():
        try:
            write_graph(folder / file, graph, properties)
        except NotExportableError as error:
            raise UserError(f"{name} {error}") from error
    refusals = []
    if recommender.scores_content:
        try:
            graphs[ITEM_TOWER] = _item_tower(recommender)
            write_graph(folder / ITEM_TOWER, graphs[ITEM_TOWER], properties)
        except NotExportableError as error:
            del graphs[ITEM_TOWER]
            (folder / ITEM_TOWER).unlink(missing_ok=True)
            refusals.append(f"{ITEM_TOWER} is left out: the item tower of {name} {error}")
    write_vectors(folder / ITEMS, recommender.items, recommender.scorer.candidates()[1:])
    write_json(folder / FACTS, _facts(recommender, graphs))
    return refusals


def _facts(recommender: Recommender, graphs: dict[str, Graph]) -> dict[str, Any]:
    return {
        "model": recommender.blueprint.name,
        "items": len(recommender.items),
        "history_length": recommender.blueprint.max_length,
        "scores": (SCORER if SCORER in graphs else "user vectors @ item vectors, transposed")
        + (f", plus {COUNTS}" if COUNTS in graphs else ""),
        "files": {
            file: {
                "inputs": [name for name in graph.inputs if name not in graph.tables],
                "inputs_with_a_value": list(graph.tables) if graph.replaceable else [],
                "outputs": graph.outputs,
            }
            for file, graph in graphs.items()
        },
    }


def _user_encoder(recommender: Recommender) -> Graph:
    scorer = recommender.scorer
    history, lengths, times = _example(recommender)
    inputs, axes = ["history", "lengths"], [{0: "batch", 1: "length"}, {0: "batch"}]
    if not scorer.is_ours:
        scorer.require_products()
        host = HostUserEncoder(scorer.model, scorer.layout)
        return Graph(host, (history, lengths), inputs, ["user"], tuple(axes))
    arguments: list[Any] = [scorer.table(), history, lengths]
    if scorer.layout.time is not None:
        arguments.append(times)
        inputs, axes = [*inputs, "times"], [*axes, axes[0]]
    tables = {f"table.{name}": value for name, value in arguments[0].items()}
    free = {name: {0: "rows"} for name in arguments[0]}
    module = UserEncoder(scorer.model, scorer.layout)
    # other tables have other items, of which a model that derives more from items knows nothing
    replaceable = type(scorer.model).adopt_items is TrainingHooks.adopt_items
    names = [*tables, *inputs]
    return Graph(module, tuple(arguments), names, ["user"], (free, *axes), tables, replaceable)


def _example(recommender: Recommender) -> tuple[Tensor, Tensor, Tensor]:
    """Three histories shorter than L, where L allows: (3, W) numbers, (3,) lengths and (3, W) times."""
    longest = recommender.blueprint.max_length
    width = max(1, min(5, longest - 1))
    lengths = torch.tensor([width, 1, (width + 1) // 2])
    place = torch.arange(width)
    valid = place < lengths.unsqueeze(1)
    numbers = torch.arange(3 * width).view(3, width) % len(recommender.items) + 1
    moments = _FIRST_MOMENT + place.double() ** 2 * 1000
    return numbers * valid, lengths, moments * valid


def _item_tower(recommender: Recommender) -> Graph:
    catalogue = recommender.catalogue
    matrices = {name: feature.matrix for name, feature in catalogue.features.items()}
    module = ItemTower(recommender.scorer.model, matrices, recommender.blueprint.row_names)
    numbers = torch.arange(min(7, len(catalogue)))
    features = {name: matrix[numbers].float() for name, matrix in matrices.items()}
    inputs = list(features)
    arguments: list[Any] = [features]
    axes: list[Any] = [{name: {0: "items"} for name in features}]
    if module.row_names:
        arguments, inputs, axes = [*arguments, numbers], [*inputs, "item"], [*axes, {0: "items"}]
    outputs = [*(f"table.{name}" for name in recommender.scorer.table()), "candidate"]
    return Graph(module, tuple(arguments), inputs, outputs, tuple(axes))


def _score(recommender: Recommender) -> Graph:
    scorer = recommender.scorer
    module = Score(scorer.model)
    candidates = scorer.candidates()[: min(7, scorer.items)]
    users = torch.nn.functional.normalize(torch.ones(3, scorer.model.hidden_size), dim=1)
    axes = ({0: "batch"}, {0: "items"})
    return Graph(module, (users, candidates), ["user", "candidate"], ["score"], axes)


def _counts(recommender: Recommender) -> Graph:
    history, lengths, _ = _example(recommender)
    axes = ({0: "batch", 1: "length"}, {0: "batch"})
    module = Counts(recommender.scorer.model)
    return Graph(module, (history, lengths), ["history", "lengths"], ["counted"], axes)
