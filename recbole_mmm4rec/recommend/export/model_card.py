"""The model card: ``README.md`` with the front matter of the Hugging Face Hub, from a checkpoint's facts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recbole_mmm4rec.columns import IMAGE, TEXT
from recbole_mmm4rec.files import write_text
from recbole_mmm4rec.host.property_files import as_properties
from recbole_mmm4rec.model import MODELS
from recbole_mmm4rec.schema import checked
from recbole_mmm4rec.training.checkpoint import Checkpoint
from recbole_mmm4rec.training.training_state import TrainingState

CARD = "README.md"
_SHOWN = ("stage", "MAX_ITEM_LIST_LENGTH", "hidden_size", "num_layers", "n_layers", "objective", "seed")
_BODY = """
# {model} on {dataset}

A sequential recommender by the Python package `recbole-mmm4rec`. It reads the items that a user chose,
and ranks {items:,} items as the next one.

## How to use

```python
import recbole_mmm4rec

recommender = recbole_mmm4rec.load("path/to/this/folder")
recommender.recommend([{example}], {times}k=5)
```

## What it was trained on

| | |
|---|---|
{facts}

## Results

{results}
"""


def write_card(folder: Path, checkpoint: Checkpoint, license_name: str) -> None:
    """Write ``README.md``.

    Args:
        folder: of the model.
        checkpoint: with its configuration, items and, where its trainer kept one, the record of training.
        license_name: identifier of the Hub, of the weights and the features in the folder.
    """
    scores = _validation(checkpoint)
    header = as_properties(_front_matter(checkpoint, scores, license_name))
    write_text(folder / CARD, f"---\n{header}---\n{_body(checkpoint, scores)}")


def _validation(checkpoint: Checkpoint) -> dict[str, float]:
    """Validation metrics of the epoch whose weights these are; none without a record."""
    if checkpoint.training is None:
        return {}
    training = checked(TrainingState, f"{checkpoint.path}: damaged checkpoint: training", checkpoint.training)
    return training.record.best_result or {}


def _front_matter(checkpoint: Checkpoint, scores: dict[str, float], license_name: str) -> dict[str, Any]:
    settings = checkpoint.config
    model, dataset = str(settings.get("model")), str(settings.get("dataset"))
    features = (checkpoint.items or {}).get("features", {})
    header: dict[str, Any] = {
        "license": license_name,
        "library_name": "recbole-mmm4rec",
        "tags": ["recommendation", "sequential-recommendation", model, *_modality_tags(features)],
        "datasets": [dataset],
        "metrics": list(dict.fromkeys(name.partition("@")[0] for name in scores)),
    }
    if scores:
        task = {"type": "recommendation", "name": "next-item recommendation"}
        where = {"name": f"{dataset}, validation", "type": dataset}
        measured = [{"name": name, "type": name.partition("@")[0], "value": v} for name, v in scores.items()]
        header["model-index"] = [
            {"name": model, "results": [{"task": task, "dataset": where, "metrics": measured}]}
        ]
    return header


def _modality_tags(features: dict[str, Any]) -> list[str]:
    tags = [name for name in (TEXT, IMAGE) if name in features]
    return [*tags, "multimodal"] if len(features) > 1 else tags


def _body(checkpoint: Checkpoint, scores: dict[str, float]) -> str:
    settings, tokens = checkpoint.config, checkpoint.item_tokens
    times = "times=[1577836800], " if (checkpoint.items or {}).get("has_time") else ""
    return _BODY.format(
        model=settings.get("model"),
        dataset=settings.get("dataset"),
        items=len(tokens) - 1,
        example=f'"{tokens[1]}"',
        times=times if settings.get("model") in MODELS else "",
        facts="\n".join(_facts(checkpoint)),
        results=_results(checkpoint, scores),
    )


def _facts(checkpoint: Checkpoint) -> list[str]:
    settings, features = checkpoint.config, checkpoint.signature.get("features", {})
    rows = [f"| dataset | {settings.get('dataset')} |"]
    for name, fact in features.items():
        encoder = fact.get("encoder") or "an encoder that its file does not name"
        rows.append(f"| {name} | {fact.get('dimension')} numbers per item by {encoder} |")
    return rows + [f"| {key} | {settings[key]} |" for key in _SHOWN if settings.get(key) is not None]


def _results(checkpoint: Checkpoint, scores: dict[str, float]) -> str:
    if not scores:
        return "The run kept no validation results."
    seen = (
        "without the user's earlier items" if checkpoint.config.get("rank_seen") is False else "of all items"
    )
    table = "\n".join(f"| {name} | {value:.4f} |" for name, value in scores.items())
    head = f"Of the best epoch on the validation set, in a ranking {seen}:"
    return f"{head}\n\n| metric | value |\n|---|---|\n{table}"
