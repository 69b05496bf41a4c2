"""The users: three groups, each ruled by one input.

``picture`` users stay with one look, ``text`` users with one theme. For ``time`` users the gap between the
last two purchases (both in the history, the time of the next one plays no part) decides: after a short one
they buy the same kind of refill again, after a long one its successor. Gaps of every group come from the same
distribution, and nobody buys an item twice (but a ``time`` user who has bought a whole kind).
"""

from dataclasses import dataclass

import numpy as np

from recbole_mmm4rec.prepare.demo_shop.catalogue import LOOKS, THEMES, Catalogue, successor

GROUPS = ("picture", "text", "time")
OPENING = 1_577_836_800  # 2020-01-01 00:00:00 UTC
HOUR, DAY = 3_600, 86_400


@dataclass(frozen=True)
class Journey:
    """One user's purchases: item rows of the catalogue and their times in whole seconds."""

    group: str
    items: list[int]
    times: list[int]


def draw_journey(rng: np.random.Generator, shop: Catalogue, group: str) -> Journey:
    """Draw a user of ``group`` with 8 to 12 purchases."""
    length = int(rng.integers(8, 13))
    is_long = rng.random(length) < 0.5
    times = _times(rng, is_long)
    if group == "time":
        return Journey(group, _timed_items(rng, shop, is_long), times)
    values, count = (shop.look, LOOKS) if group == "picture" else (shop.theme, len(THEMES))
    family = np.flatnonzero((values == rng.integers(count)) & ~shop.refill)
    return Journey(group, rng.permutation(family)[:length].tolist(), times)


def _times(rng: np.random.Generator, is_long: np.ndarray) -> list[int]:
    """Times of the purchases; ``is_long[l]`` tells the gap between purchase l - 1 and purchase l."""
    short_gaps = np.exp(rng.uniform(np.log(60), np.log(2 * HOUR), len(is_long)))
    long_gaps = np.exp(rng.uniform(np.log(10 * DAY), np.log(60 * DAY), len(is_long)))
    gaps = np.where(is_long, long_gaps, short_gaps)
    gaps[0] = rng.uniform(0, 300 * DAY)
    return (OPENING + np.cumsum(gaps)).astype(np.int64).tolist()


def _timed_items(rng: np.random.Generator, shop: Catalogue, is_long: np.ndarray) -> list[int]:
    items: list[int] = [int(rng.choice(np.flatnonzero(shop.refill)))]
    for position in range(1, len(is_long)):
        kind = int(shop.kind[items[-1]])
        # the gap between the two purchases before this one; at position 1 there is none and chance decides
        wanted = successor(kind) if is_long[position - 1] else kind
        family = np.flatnonzero((shop.kind == wanted) & shop.refill)
        unbought = np.setdiff1d(family, items)
        items.append(int(rng.choice(unbought if len(unbought) else np.setdiff1d(family, items[-1:]))))
    return items
