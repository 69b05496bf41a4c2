"""Models without a dataset on disk: configurations from the property files, a stand-in for the dataset."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import yaml
from recbole.data.interaction import Interaction
from torch import Tensor

PROPERTIES = Path(__file__).parents[2] / "properties"

_HOST = {
    "USER_ID_FIELD": "user_id",
    "ITEM_ID_FIELD": "item_id",
    "TIME_FIELD": "timestamp",
    "LIST_SUFFIX": "_list",
    "ITEM_LIST_LENGTH_FIELD": "item_length",
    "NEG_PREFIX": "neg_",
    "MAX_ITEM_LIST_LENGTH": 20,
    "device": torch.device("cpu"),
    "stage": "finetune",
    "data_path": "atomic_data/none",
    "dataset": "none",
}


class Settings(dict):
    """A configuration as RecBole's: a key that is not there reads as None."""

    def __missing__(self, key: str) -> None:
        return None


def read_properties(*names: str) -> dict[str, Any]:
    """Property files in order, later ones win; numbers like 1e-4 read as RecBole reads them."""
    merged: dict[str, Any] = {}
    for name in names:
        merged |= yaml.safe_load((PROPERTIES / f"{name}.yaml").read_text())
    return {key: _number(value) for key, value in merged.items()}


def _number(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def settings(model: str, fidelity: str = "paper", **changes: Any) -> Settings:
    """A model's properties with changes, as RecBole would hand them over."""
    files = [f"model/{model}"] + ([f"reference/{model}"] if fidelity == "reference" else [])
    return Settings(_HOST | read_properties(*files) | {"fidelity": fidelity} | changes)


def feature(matrix: Tensor, present: Tensor | None = None) -> SimpleNamespace:
    """What a dataset holds of one modality."""
    if present is None:
        present = torch.arange(len(matrix)) > 0
    matrix = matrix * present.unsqueeze(1)
    return SimpleNamespace(matrix=matrix, present=present, metadata={"encoder": "test"})


def dataset(n_items: int, has_time: bool = True, **features: SimpleNamespace) -> SimpleNamespace:
    """``n_items`` counts the pad, as RecBole's ``dataset.num`` does."""
    return SimpleNamespace(num=lambda _: n_items, features=features, has_time=has_time)


def batch(item_seq: Tensor, lengths: Tensor, targets: Tensor, times: Tensor | None = None) -> Interaction:
    """A batch as the data layer gives it."""
    fields = {"item_id_list": item_seq, "item_length": lengths, "item_id": targets}
    if times is not None:
        fields["timestamp_list"] = times.double()
    return Interaction(fields)


PARTLY_DESCRIBED = 30
"""Items of :func:`partly_described`, the pad among them."""


def partly_described(text: bool = True, image: bool = True) -> SimpleNamespace:
    """Item 1 has neither, items to 10 have no picture, items above 25 have no text."""
    generator = torch.Generator().manual_seed(0)
    features = {}
    if text:
        there = (torch.arange(PARTLY_DESCRIBED) > 1) & (torch.arange(PARTLY_DESCRIBED) < 26)
        features["text"] = feature(torch.randn(PARTLY_DESCRIBED, 12, generator=generator), there)
    if image:
        features["image"] = feature(
            torch.randn(PARTLY_DESCRIBED, 8, generator=generator), torch.arange(PARTLY_DESCRIBED) > 10
        )
    return dataset(PARTLY_DESCRIBED, has_time=False, **features)
