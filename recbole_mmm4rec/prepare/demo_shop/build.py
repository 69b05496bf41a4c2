"""The generator of ``demo-shop``, ``demo-shop-a`` and ``demo-shop-b``."""

from pathlib import Path

import numpy as np
from PIL import Image

from recbole_mmm4rec.columns import IMAGE, IMAGES, TEXT
from recbole_mmm4rec.prepare.atomic import write_atomic
from recbole_mmm4rec.prepare.demo_shop.catalogue import Catalogue, draw_catalogue
from recbole_mmm4rec.prepare.demo_shop.pictures import draw_picture
from recbole_mmm4rec.prepare.demo_shop.shoppers import GROUPS, Journey, draw_journey
from recbole_mmm4rec.prepare.encoders.pixels import PixelEncoder
from recbole_mmm4rec.prepare.feature_files import write_feature_file
from recbole_mmm4rec.prepare.hashed_text import hashed_vectors

USERS = 1_500
PARTS = {"demo-shop": ("s", 11), "demo-shop-a": ("a", 12), "demo-shop-b": ("b", 13)}
"""Name -> (prefix of its tokens, seed). Same rules; no user and no item in common."""


def build_demo_shop(name: str, folder: Path) -> None:
    """Write the whole dataset ``name`` into the empty ``folder``; the same files every time."""
    prefix, seed = PARTS[name]
    rng = np.random.default_rng(seed)
    shop = draw_catalogue(rng, prefix)
    journeys = [draw_journey(rng, shop, GROUPS[user % len(GROUPS)]) for user in range(USERS)]
    _write_interactions(name, folder, shop, journeys, rng)
    write_atomic(folder / f"{name}.item", {"item_id:token": shop.tokens, "title:token_seq": shop.titles})
    texts, text_metadata = hashed_vectors(shop.titles)
    write_feature_file(folder, name, TEXT, shop.tokens, texts, text_metadata | {"template": "{title}"})
    encoder = PixelEncoder()
    images = encoder.encode(_draw_pictures(folder / IMAGES, shop, rng))
    write_feature_file(folder, name, IMAGE, shop.tokens, images, encoder.metadata)


def _write_interactions(
    name: str, folder: Path, shop: Catalogue, journeys: list[Journey], rng: np.random.Generator
) -> None:
    users = [f"{shop.tokens[0][0]}u{number:04d}" for number in rng.permutation(len(journeys)) + 1]
    rows = [
        (time, user, shop.tokens[item])
        for user, journey in zip(users, journeys, strict=True)
        for item, time in zip(journey.items, journey.times, strict=True)
    ]
    times, user_column, item_column = zip(*sorted(rows), strict=True)
    columns = {"user_id:token": user_column, "item_id:token": item_column, "timestamp:float": times}
    write_atomic(folder / f"{name}.inter", columns)
    groups = [journey.group for journey in journeys]
    write_atomic(folder / f"{name}.user", {"user_id:token": users, "group:token": groups})


def _draw_pictures(folder: Path, shop: Catalogue, rng: np.random.Generator) -> list[Image.Image]:
    folder.mkdir()
    pictures = []
    for token, look, kind in zip(shop.tokens, shop.look, shop.kind, strict=True):
        picture = draw_picture(int(look), int(kind), rng)
        picture.save(folder / f"{token}.png")
        pictures.append(picture)
    return pictures
