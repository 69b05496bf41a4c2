"""Small raw files in the publishers' layouts."""

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from recbole_mmm4rec.prepare.cli import main

Row = tuple[str, str, float, int]
DAY = 86_400
START = 1_500_000_000 // DAY * DAY

AMAZON = ["--layout=amazon-2018", "--interactions=ratings.csv", "--items=meta.json"]


def dense_rows(users: int = 8, items: int = 6) -> list[Row]:
    """Every user rates every item once, a day apart: a 5-core by itself."""
    return [
        (f"I{i}", f"U{u}", 1.0 + (u + i) % 5, START + DAY * i) for u in range(users) for i in range(items)
    ]


def meta(items: int = 6) -> list[dict[str, Any]]:
    """Metadata of the items of ``dense_rows``."""
    return [
        {
            "asin": f"I{i}",
            "title": f"Thing &amp; <b>tool</b> {i}",
            "category": ["Tools", f"Kind {i}"],
            "brand": "Acme",
        }
        for i in range(items)
    ]


def write_amazon(folder: Path, rows: Iterable[Row], entries: Iterable[Any], zipped: bool = False) -> Path:
    """``ratings.csv`` and ``meta.json``; an entry that is bytes is written as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    ratings = "".join(f"{item},{user},{rating},{time}\n" for item, user, rating, time in rows).encode()
    lines = b"".join(
        (entry if isinstance(entry, bytes) else json.dumps(entry).encode()) + b"\n" for entry in entries
    )
    if zipped:
        (folder / "ratings.csv.gz").write_bytes(gzip.compress(ratings))
        (folder / "meta.json.gz").write_bytes(gzip.compress(lines))
    else:
        (folder / "ratings.csv").write_bytes(ratings)
        (folder / "meta.json").write_bytes(lines)
    return folder


def run(folder: Path, output: Path, *flags: str, name: str = "shop") -> int:
    """Prepare a dataset by the command line; return the exit code."""
    return main([name, f"--source={folder}", f"--output={output}", *flags])


def skipped(output: Path) -> dict[str, Any]:
    """What the record of the dataset ``shop`` says of skipped things: reason -> count and first."""
    return json.loads((output / "shop" / "shop.prepare.json").read_text())["skipped"]


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Rows of an atomic file, everything as text."""
    header = path.read_text().split("\n", 1)[0].split("\t")
    options = pa_csv.ParseOptions(delimiter="\t", quote_char=False)
    import pyarrow as pa

    types = pa_csv.ConvertOptions(column_types=dict.fromkeys(header, pa.string()))
    return pa_csv.read_csv(path, parse_options=options, convert_options=types).to_pylist()


def feature_rows(path: Path) -> dict[str, list[float]]:
    """Token -> vector of a feature file."""
    table = pq.read_table(path)
    return dict(zip(table["item_id"].to_pylist(), table["embedding"].to_pylist(), strict=True))
