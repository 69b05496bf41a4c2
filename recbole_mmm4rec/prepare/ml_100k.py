"""``ml-100k`` as RecBole's wheel ships it, with text features made on the spot. It has no pictures."""

import importlib.util
import shutil
from pathlib import Path

import pyarrow.csv as pa_csv

from recbole_mmm4rec.columns import TEXT
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.feature_files import write_feature_file
from recbole_mmm4rec.prepare.hashed_text import tfidf_vectors

NAME = "ml-100k"
TEMPLATE = "{movie_title} {release_year} {class}"


def build_ml_100k(folder: Path) -> None:
    """Copy RecBole's interactions, items and users into ``folder`` and write ``ml-100k.text.parquet``."""
    source = _example_folder()
    for suffix in ("inter", "item", "user"):
        shutil.copyfile(source / f"{NAME}.{suffix}", folder / f"{NAME}.{suffix}")
    options = pa_csv.ParseOptions(delimiter="\t", quote_char=False)
    items = pa_csv.read_csv(folder / f"{NAME}.item", parse_options=options)
    rows = [{key.split(":")[0]: str(value or "") for key, value in row.items()} for row in items.to_pylist()]
    vectors, metadata = tfidf_vectors([TEMPLATE.format(**row) for row in rows])
    tokens = [row["item_id"] for row in rows]
    write_feature_file(folder, NAME, TEXT, tokens, vectors, metadata | {"template": TEMPLATE})


def _example_folder() -> Path:
    found = importlib.util.find_spec("recbole")
    if found is None or not found.submodule_search_locations:
        raise UserError("ml-100k comes with RecBole, which is not installed")
    folder = Path(found.submodule_search_locations[0]) / "dataset_example" / NAME
    if not (folder / f"{NAME}.inter").is_file():
        raise UserError(f"this RecBole ships no {NAME}: {folder} has no {NAME}.inter")
    return folder
