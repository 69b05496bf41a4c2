"""Some users' histories and recommendations, with reasons and pictures, as one HTML file."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.files import write_text
from recbole_mmm4rec.prepare.room import enough_room
from recbole_mmm4rec.recommend.dataset_facts import DatasetFacts, thumbnail
from recbole_mmm4rec.recommend.explanation import explained
from recbole_mmm4rec.recommend.histories import Histories
from recbole_mmm4rec.recommend.history_files import read_history_file
from recbole_mmm4rec.recommend.orders import Asked
from recbole_mmm4rec.recommend.page.rendering import facts, rendered
from recbole_mmm4rec.recommend.recommender import Recommender
from recbole_mmm4rec.recommend.telling import treat_unknown

SIDE = 240
"""Longest side of a thumbnail in pixels: 240 of a card's 120, for screens with fine pixels."""
SHOWN = 40
"""Events of a history on the page, the last ones."""
TITLES = 20_000
"""Titles that the page's search knows at most."""


@dataclass(frozen=True)
class PageOrder(Asked):
    """What a page shows.

    Attributes:
        users: CSV, Parquet or JSON lines file of histories; the page takes its first ``most`` users.
        path: the HTML file.
        most: users on the page.
    """

    users: Path
    path: Path
    most: int = 12


def write_page(
    recommender: Recommender, known: DatasetFacts, order: PageOrder, show_progress: bool = True
) -> int:
    """Write the page whole or not at all; how many users it has.

    Raises:
        UserError: bad histories, no user among them with an item that the model knows, or a full disk.
    """
    if order.most < 1:
        raise UserError(f"--page-users: {order.most} is not above 0")
    if not order.path.parent.is_dir():
        raise UserError(f"{order.path}: no such folder {order.path.parent}")
    histories, unknown = read_history_file(order.users, recommender.catalogue)
    treat_unknown(unknown, str(order.users), order.on_unknown)
    rows = np.flatnonzero(histories.lengths > 0)[: order.most]
    if not len(rows):
        raise UserError(f"{order.users}: no history with an item that the model knows")
    chosen = histories.of(rows)
    lists = recommender.recommend(_as_table(recommender, chosen), None, order.k, **order.lists)
    bar = tqdm(range(len(chosen)), "users", disable=not show_progress)
    users = [_user(recommender, chosen.of(np.array([row])), lists) for row in bar]
    data = facts(recommender) | {"live": False, "users": users}
    text = rendered(data | {"catalogue": _catalogue(recommender, known, users)})
    with enough_room(order.path):
        write_text(order.path, text + "\n")
    return len(users)


def _as_table(recommender: Recommender, histories: Histories) -> pd.DataFrame:
    owners, numbers = histories.pairs()
    table = pd.DataFrame(
        {"user_id": histories.users[owners], "item_id": recommender.catalogue.tokens[numbers]}
    )
    return table if histories.times is None else table.assign(timestamp=histories.times)


def _user(recommender: Recommender, history: Histories, lists: pd.DataFrame) -> dict[str, Any]:
    """History and recommendations of one user, whose id ``lists`` has in its column ``user``."""
    tokens = recommender.catalogue.tokens[history.items]
    times = [None] * len(tokens) if history.times is None else history.times.tolist()
    own = lists[lists["user"] == history.users[0]]
    return {
        "user": str(history.users[0]),
        "events": len(tokens),
        "history": [{"item": str(token), "time": time} for token, time in zip(tokens, times, strict=True)][
            -SHOWN:
        ],
        "items": [
            {"item": str(item), "score": float(score), "why": _why(recommender, history, item)}
            for item, score in zip(own["item"], own["score"], strict=True)
        ],
    }


def _why(recommender: Recommender, history: Histories, item: Any) -> list[dict[str, Any]]:
    """What moves the score, as the service's ``/explain`` says it."""
    table = explained(recommender, history, int(recommender.catalogue.known([item], "item")[0]))
    table = table[table["effect"].notna()]
    parts = zip(table["left_out"], table["what"], table["effect"].tolist(), strict=True)
    return [{"left_out": label, "what": str(what), "effect": effect} for label, what, effect in parts]


def _catalogue(recommender: Recommender, known: DatasetFacts, users: list[dict[str, Any]]) -> dict[str, Any]:
    """Token -> title and picture: of all items on the page, and titles of others for the search."""
    on_page = dict.fromkeys(row["item"] for user in users for row in (*user["history"], *user["items"]))
    others = [token for token in map(str, recommender.items[:TITLES]) if token not in on_page]
    return {token: _item(known, token, token in on_page) for token in (*on_page, *others)}


def _item(known: DatasetFacts, token: str, pictured: bool) -> dict[str, Any]:
    files = known.pictures.get(token, ()) if pictured else ()
    title, fields = known.title(token), known.fields.get(token, {})
    return {"title": title, "fields": fields, "picture": _embedded(files)}


def _embedded(files: tuple[Path, ...]) -> str | None:
    """An item's picture as a data address; None where no file of it can be used."""
    if not files:
        return None
    try:
        return "data:image/jpeg;base64," + base64.b64encode(thumbnail(files, SIDE)).decode()
    except UserError:
        return None
