"""One epoch of every model of RecBole on a small dataset: ``python -m tests.host.every_model RESULT.json``.

``python -m tests.host.every_model RESULT.json OTHER.json`` compares two sets of libraries to four digits.
Names after ``--only`` choose models.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

import numpy as np
from recbole.utils import ModelType

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.catalogue import find_model, recbole_models

USERS, ITEMS, WIDTH, SEED = 60, 50, 8, 7
FEATURES = {"item": ["item_id", "kinds", "brand", "price"], "user": ["user_id", "age", "town"]}
GRAPH = {"kg": ["head_id", "relation_id", "tail_id"], "link": ["item_id", "entity_id"]}
OF_TYPE: dict[ModelType, dict[str, Any]] = {
    ModelType.KNOWLEDGE: GRAPH,
    ModelType.CONTEXT: FEATURES,
    ModelType.DECISIONTREE: FEATURES,
    ModelType.SEQUENTIAL: {
        "item": ["item_id", "kinds"],
        **GRAPH,
        "ent": ["ent_id", "ent_emb"],
        "rel": ["rel_id", "rel_emb"],
    },
}
"""Columns beside the interactions that a kind of model reads."""

OF_MODEL: dict[str, dict[str, Any]] = {
    name: {"selected_features": ["kinds"]} for name in ("FDSA", "GRU4RecF", "SASRecF")
}
OF_MODEL |= {name: {"reranker_CAN_NUM": "20"} for name in ("GRU4RecCPR", "SASRecCPR")}
OF_MODEL |= {
    name: {
        "additional_feat_suffix": ["ent", "rel"],
        "preload_weight": {"ent_id": "ent_emb", "rel_id": "rel_emb"},
        "alias_of_entity_id": ["ent_id"],
        "alias_of_relation_id": ["rel_id"],
        "embedding_size": WIDTH,
        **({"kg_embedding_size": WIDTH} if name == "KSR" else {}),
    }
    for name in ("GRU4RecKG", "KSR")
}
OF_MODEL["DSSM"] = {"numerical_features": ["age", "price"]}
OF_MODEL["S3Rec"] = {
    "item_attribute": "kinds",
    "train_stage": "pretrain",
    "pretrain_epochs": 1,
    "save_step": 1,
}


def write_dataset(folder: Path) -> None:
    """Interactions with times and ratings, features with gaps, and a knowledge graph."""
    rng = np.random.default_rng(SEED)
    folder.mkdir(parents=True)
    rows = []
    for user in range(USERS):
        chosen = rng.choice(ITEMS, size=rng.integers(8, 14), replace=False)
        rows += [
            (f"u{user}", f"i{item}", rng.integers(1, 6), 1000 * user + at) for at, item in enumerate(chosen)
        ]
    write(folder / "small.inter", "user_id:token item_id:token rating:float timestamp:float", rows)
    items = [
        (
            f"i{item}",
            " ".join(f"k{kind}" for kind in range(item % 4)),
            f"b{item % 7}" if item % 9 else "",
            item / 10,
        )
        for item in range(ITEMS)
    ]
    write(folder / "small.item", "item_id:token kinds:token_seq brand:token price:float", items)
    users = [(f"u{user}", 20 + user % 40, f"t{user % 5}") for user in range(USERS)]
    write(folder / "small.user", "user_id:token age:float town:token", users)
    triples = [
        (f"e{item}", f"r{item % 3}", f"e{(7 * item) % (ITEMS + 9)}")
        for item in range(ITEMS)
        for _ in range(2)
    ]
    write(folder / "small.kg", "head_id:token relation_id:token tail_id:token", sorted(set(triples)))
    write(
        folder / "small.link",
        "item_id:token entity_id:token",
        [(f"i{item}", f"e{item}") for item in range(ITEMS)],
    )
    for kind, tokens in (("ent", [f"e{item}" for item in range(ITEMS)]), ("rel", ["r0", "r1", "r2"])):
        vectors = [" ".join(f"{value:.3f}" for value in rng.normal(size=WIDTH)) for _ in tokens]
        rows = list(zip(tokens, vectors, strict=True))
        write(folder / f"small.{kind}", f"{kind}_id:token {kind}_emb:float_seq", rows)


def write(path: Path, header: str, rows: list[Any]) -> None:
    lines = [header.replace(" ", "\t"), *("\t".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")


def one_epoch(name: str) -> dict[str, Any]:
    """``{"test": metrics}`` of a model, or ``{"error": why there are none}``."""
    from recbole_mmm4rec import run

    try:
        kind = find_model(name).type  # type: ignore[attr-defined]
        columns = {"inter": ["user_id", "item_id", "rating", "timestamp"], **OF_TYPE.get(kind, {})}
        values = {
            "load_col": columns,
            "epochs": 1,
            "train_batch_size": 128,
            "topk": [10],
            "metrics": ["NDCG", "Hit"],
        }
        values |= {
            "valid_metric": "NDCG@10",
            "show_progress": False,
            "MAX_ITEM_LIST_LENGTH": 10,
            "data_path": "data",
        }
        result = run(name, "small", config_dict=values | OF_MODEL.get(name, {}))
    except UserError as error:
        return {"error": str(error)}
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return {"error": f"{type(error).__name__} in {Path(where.filename).name}: {str(error)[:120]}"}
    return {"test": dict(result["test_result"] or {}), "valid": result["best_valid_score"]}


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Models whose outcomes differ in a metric's fourth digit, or of which one has none."""
    return [
        f"{name}: {one.get(name)} and {other.get(name)}"
        for name in sorted({*one, *other})
        if ("test" in one.get(name, {})) != ("test" in other.get(name, {}))
        or any(
            abs(value - other[name]["test"][key]) > 1.01e-4
            for key, value in one[name].get("test", {}).items()
        )
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", type=Path)
    parser.add_argument("other", type=Path, nargs="?")
    parser.add_argument("--only", nargs="+", default=[])
    given = parser.parse_args()
    if given.other:
        found = differences(json.loads(given.result.read_text()), json.loads(given.other.read_text()))
        sys.stdout.write("".join(f"{line}\n" for line in found) or "no difference\n")
        return bool(found)
    path, outcomes = given.result.resolve(), {}
    os.chdir(tempfile.mkdtemp())
    write_dataset(Path("data") / "small")
    for name in given.only or recbole_models():
        outcomes[name] = one_epoch(name)
        logging.disable(logging.NOTSET)
        sys.stderr.write(f"{name}: {outcomes[name]}\n")
        path.write_text(json.dumps(outcomes, indent=1, default=float))
    return 0


if __name__ == "__main__":
    sys.exit(main())
