"""The items: three independent properties each, of which the picture shows two and the title two.

A third of the items are refills, as their titles say: those who buy by the calendar buy nothing else, and
nobody else buys them.

========  =======  =====  ==========================================
property  picture  title  values
========  =======  =====  ==========================================
look      yes      no     12 hues x 3 background patterns
theme     no       yes    36 words
kind      yes      yes    12 outlines x 2 arrangements, 24 nouns
========  =======  =====  ==========================================
"""

from dataclasses import dataclass

import numpy as np

# ruff reads the word lists better as lists, people as lines: hence the noqa below
HUES, PATTERNS = 12, 3
OUTLINES, ARRANGEMENTS = 12, 2
LOOKS = HUES * PATTERNS
KINDS = OUTLINES * ARRANGEMENTS

THEMES = """
alpine arctic autumn bamboo baroque beach bohemian camping carnival celtic coastal cosmic desert disco
explorer forest galaxy garden gothic harbour heritage jungle lunar marine meadow medieval midnight
nordic pirate polar retro savanna steampunk tropical vintage winter
""".split()  # noqa: SIM905
NOUNS = """
backpack balloon bell blanket bottle broom button camera carpet clock cushion flute hammer helmet kettle
kite ladder lantern mirror notebook puzzle racket scarf teapot
""".split()  # noqa: SIM905
REFILL = "refill"
FINISHES = "classic compact deluxe handmade light mini plain premium simple slim soft sturdy".split()  # noqa: SIM905


@dataclass(frozen=True)
class Catalogue:
    """``count`` items; every property is an array (count,), of int64 but for ``refill``."""

    tokens: list[str]
    look: np.ndarray
    theme: np.ndarray
    kind: np.ndarray
    refill: np.ndarray
    titles: list[str]

    def __len__(self) -> int:
        return len(self.tokens)


def draw_catalogue(rng: np.random.Generator, prefix: str, count: int = 720) -> Catalogue:
    """Deal the values of each property evenly and independently over the refills and over the others."""
    refill = np.arange(count) % 3 == 2
    look, theme, kind = (_dealt(rng, values, refill) for values in (LOOKS, len(THEMES), KINDS))
    finish = np.where(refill, REFILL, rng.choice(FINISHES, count))
    titles = [f"{f.capitalize()} {THEMES[t]} {NOUNS[k]}" for f, t, k in zip(finish, theme, kind, strict=True)]
    tokens = [f"{prefix}{number:04d}" for number in range(1, count + 1)]
    return Catalogue(tokens, look, theme, kind, refill, titles)


def successor(kind: int) -> int:
    """The kind that follows ``kind`` after a long pause; the same rule in every part of the shop."""
    return (kind * 5 + 7) % KINDS


def _dealt(rng: np.random.Generator, values: int, refill: np.ndarray) -> np.ndarray:
    dealt = np.empty(len(refill), dtype=np.int64)
    for wing in (refill, ~refill):
        dealt[wing] = rng.permutation(np.arange(wing.sum()) % values)
    return dealt
