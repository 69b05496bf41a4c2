"""A page of random items with picture and text, to see whether they belong together."""

import base64
import random
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.files import may_hold_page, write_text
from recbole_mmm4rec.prepare.atomic_reading import read_all, read_header
from recbole_mmm4rec.prepare.pictures.names import pictures_in
from recbole_mmm4rec.prepare.pictures.reading import UnusablePicture, jpeg_thumbnail
from recbole_mmm4rec.prepare.record import known_pictures
from recbole_mmm4rec.prepare.room import enough_room
from recbole_mmm4rec.prepare.wording import counted

SIDE = 400
"""Longest side of a thumbnail in pixels: twice its width on the page, for screens with fine pixels."""


@dataclass(frozen=True)
class Card:
    """One item. ``texts``: (field, text); ``picture``: JPEG in base64, empty where ``absent`` says why."""

    token: str
    texts: list[tuple[str, str]]
    picture: str
    absent: str

    @property
    def label(self) -> str:
        """What a reader calls the item: its first text."""
        return self.texts[0][1] if self.texts else self.token


def check_page(path: Path) -> None:
    """Raise ``UserError`` where the page would replace what is not one: a folder, or a file of other data."""
    if path.is_dir():
        raise UserError(f"--page: {path} is a folder; give the name of an HTML file")
    if not may_hold_page(path):
        raise UserError(f"--page: {path} exists and is not an HTML page; give a name that ends in .html")


def write_page(
    name: str,
    folder: Path,
    pictures: Path | None,
    path: Path,
    report: list[str],
    count: int = 40,
    seed: int = 0,
) -> None:
    """Write the page ``path``: the lines of ``report``, then ``count`` items drawn with ``seed``.

    ``pictures``: the folder of pictures; when None, those that the dataset has or that its record names. The
    page carries its thumbnails.
    """
    items = _items(folder / f"{name}.item")
    chosen = random.Random(seed).sample(sorted(items), min(count, len(items)))
    files = pictures_in([pictures] if pictures is not None else known_pictures(name, folder), chosen)
    cards = [_card(token, items[token], files.get(token, [])) for token in chosen]
    heading = f"{len(chosen):,} of {counted(len(items), 'item')}, drawn at random"
    environment = Environment(
        loader=PackageLoader("recbole_mmm4rec.prepare", ""), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("inspection.html.j2")
    text = page.render(name=name, report=report, heading=heading, cards=cards)
    with enough_room(path):
        write_text(path, text + "\n")


def _items(path: Path) -> dict[str, list[tuple[str, str]]]:
    """Token -> its fields that are not empty, (name without type, text)."""
    header = read_header(path)
    names = [field.split(":")[0] for field in header[1:]]
    token, *texts = (column.to_pylist() for column in read_all(path, header).columns)
    rows = zip(token, *texts, strict=True)
    return {row[0]: [pair for pair in zip(names, row[1:], strict=True) if pair[1]] for row in rows}


def _card(token: str, texts: list[tuple[str, str]], paths: list[Path]) -> Card:
    try:
        return Card(token, texts, base64.b64encode(jpeg_thumbnail(paths, SIDE)).decode(), "")
    except UnusablePicture as problem:
        return Card(token, texts, "", str(problem))
