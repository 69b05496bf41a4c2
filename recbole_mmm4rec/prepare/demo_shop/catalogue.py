"""The items: three independent properties each, of which the picture shows two and the title two.

========  =======  =====  ==========================================
property  picture  title  values
========  =======  =====  ==========================================
look      yes      no     12 hues x 4 background patterns
theme     no       yes    48 words
kind      yes      yes    12 outlines x 2 arrangements, 24 nouns
========  =======  =====  ==========================================
"""

from dataclasses import dataclass

import numpy as np

# ruff reads the word lists better as lists, people as lines: hence the noqa below
HUES, PATTERNS = 12, 4
OUTLINES, ARRANGEMENTS = 12, 2
LOOKS = HUES * PATTERNS
KINDS = OUTLINES * ARRANGEMENTS

THEMES = """
alpine arctic autumn bamboo baroque beach bohemian camping carnival celtic coastal cosmic cottage
desert disco explorer farmhouse festival forest galaxy garden gothic harbour harvest heritage jungle
lagoon lunar marine meadow medieval midnight nautical nordic orchard pirate polar prairie retro
safari samurai savanna steampunk sunrise tropical urban vintage winter
""".split()  # noqa: SIM905
NOUNS = """
backpack balloon bell blanket bottle broom button camera carpet clock cushion flute hammer helmet kettle
kite ladder lantern mirror notebook puzzle racket scarf teapot
""".split()  # noqa: SIM905
FINISHES = "classic compact deluxe handmade light mini plain premium simple slim soft sturdy".split()  # noqa: SIM905


@dataclass(frozen=True)
class Catalogue:
    """``count`` items; every property is an int64 array (count,)."""

    tokens: list[str]
    look: np.ndarray
    theme: np.ndarray
    kind: np.ndarray
    titles: list[str]

    def __len__(self) -> int:
        return len(self.tokens)


def draw_catalogue(rng: np.random.Generator, prefix: str, count: int = 720) -> Catalogue:
    """Deal the values of each property evenly and independently over ``count`` items."""
    look, theme, kind = (_dealt(rng, values, count) for values in (LOOKS, len(THEMES), KINDS))
    finish = rng.choice(FINISHES, count)
    titles = [f"{f.capitalize()} {THEMES[t]} {NOUNS[k]}" for f, t, k in zip(finish, theme, kind, strict=True)]
    return Catalogue([f"{prefix}{number:04d}" for number in range(1, count + 1)], look, theme, kind, titles)


def successor(kind: int) -> int:
    """The kind that follows ``kind`` after a long pause; the same rule in every part of the shop."""
    return (kind * 5 + 7) % KINDS


def _dealt(rng: np.random.Generator, values: int, count: int) -> np.ndarray:
    return rng.permutation(np.arange(count) % values)
