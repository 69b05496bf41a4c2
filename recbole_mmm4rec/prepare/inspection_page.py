"""A page of random items with picture and text, to see whether they belong together."""

import base64
import html
import io
import os
import random
from pathlib import Path

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.atomic_reading import read_all, read_header
from recbole_mmm4rec.prepare.pictures.names import find_pictures
from recbole_mmm4rec.prepare.pictures.reading import UnusablePicture, read_picture

SIDE = 200
_STYLE = (
    "body{font:14px sans-serif;margin:2em}main{display:flex;flex-wrap:wrap;gap:1em}"
    "article{width:220px}img,.none{width:200px;height:200px;object-fit:contain;background:#eee;display:block}"
    ".none{line-height:200px;text-align:center;color:#888}code{color:#555}"
)


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

    ``pictures``: the folder of pictures, ``<dataset>/images`` when None. The page carries its thumbnails.
    """
    items = _items(folder / f"{name}.item")
    chosen = random.Random(seed).sample(sorted(items), min(count, len(items)))
    shown = pictures or folder / "images"
    if pictures is not None and not pictures.is_dir():
        raise UserError(f"{pictures}: no such folder of pictures")
    files = find_pictures(shown, chosen).files if shown.is_dir() else {}
    cards = "\n".join(_card(token, items[token], files.get(token, [None])[0]) for token in chosen)
    head = f'<meta charset="utf-8"><title>{html.escape(name)}</title><style>{_STYLE}</style>'
    figures = "".join(f"<li>{html.escape(line)}</li>" for line in report)
    page = f"<!doctype html>{head}<h1>{html.escape(name)}</h1><ul>{figures}</ul><main>{cards}</main>\n"
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(page, encoding="utf-8")
    os.replace(temporary, path)


def _items(path: Path) -> dict[str, list[str]]:
    table = read_all(path, read_header(path))
    token, *texts = (column.to_pylist() for column in table.columns)
    return {row[0]: [str(text) for text in row[1:] if text] for row in zip(token, *texts, strict=True)}


def _card(token: str, texts: list[str], picture: Path | None) -> str:
    lines = "<br>".join(html.escape(text) for text in texts)
    return f"<article>{_thumbnail(picture)}<code>{html.escape(token)}</code><p>{lines}</p></article>"


def _thumbnail(path: Path | None) -> str:
    if path is None:
        return '<div class="none">no picture</div>'
    try:
        picture = read_picture(path)
    except UnusablePicture as problem:
        return f'<div class="none">{html.escape(str(problem))}</div>'
    picture.thumbnail((SIDE, SIDE))
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=85)
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}">'
