"""Models without a dataset on disk: configurations from the property files, a stand-in for the dataset."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import yaml
from recbole.data.interaction import Interaction
from torch import Tensor

from recbole_mmm4rec.host.property_files import fidelity_layer

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


def settings(model: str, fidelity: str = "repaired", **changes: Any) -> Settings:
    """A model's properties with changes, as RecBole would hand them over."""
    layer = fidelity_layer(model, fidelity)
    return Settings(
        _HOST | read_properties("shared", f"model/{model}") | layer | {"fidelity": fidelity} | changes
    )


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


def random_batch(
    lengths: list[int],
    items: int,
    longest: int,
    has_time: bool = True,
    width: int | None = None,
    seed: int = 3,
) -> Interaction:
    """Random histories of these lengths with gaps up to four months, as wide as ``width`` or the longest."""
    generator, n = torch.Generator().manual_seed(seed), torch.tensor(lengths)
    valid = torch.arange(longest) < n.unsqueeze(1)
    item_seq = torch.randint(1, items, valid.shape, generator=generator) * valid
    gaps = torch.randint(0, 10**7, valid.shape, generator=generator).double()
    times = (1.5e9 + gaps.cumsum(1)) * valid if has_time else None
    targets = torch.randint(1, items, (len(n),), generator=generator)
    return batch(item_seq[:, : width or max(lengths)], n, targets, times)


def half_pictured(items: int, text: bool = True, image: bool = True) -> dict[str, SimpleNamespace]:
    """Features of items of which every other has a picture."""
    generator = torch.Generator().manual_seed(5)
    features = {}
    if text:
        features["text"] = feature(torch.randn(items, 9, generator=generator))
    if image:
        matrix, present = torch.randn(items, 7, generator=generator), torch.arange(items) % 2 == 1
        features["image"] = feature(matrix, present)
    return features


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
