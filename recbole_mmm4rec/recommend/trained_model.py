"""A trained model and the items that it scores: what searches, explanations and lent counts read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from recbole_mmm4rec.columns import PAD
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.recommend.catalogue import Catalogue
from recbole_mmm4rec.recommend.rebuild import Blueprint
from recbole_mmm4rec.recommend.scoring import Scorer


@dataclass(eq=False, repr=False)
class TrainedModel:
    """A model over a catalogue, by its three parts.

    Attributes:
        blueprint: the trained model apart from its items.
        catalogue: the items.
        scorer: the model over these items.
    """

    blueprint: Blueprint
    catalogue: Catalogue
    scorer: Scorer

    def __repr__(self) -> str:
        features = ", ".join(map(str, self.catalogue.features.values())) or "ids only"
        name = type(self).__name__
        return f"<{name}: {self.blueprint.name}, {len(self.items):,} items; {features}>"

    @property
    def items(self) -> np.ndarray:
        """(N,) object: the ids of all items, in the order of the catalogue."""
        return self.catalogue.tokens[PAD + 1 :]

    @property
    def exclude_seen(self) -> bool:
        """Whether evaluation left out what a user had seen, which is the default of lists, too."""
        return self.blueprint.settings["rank_seen"] is False

    @property
    def scores_content(self) -> bool:
        """Whether the model scores an item that training never saw by its features."""
        return bool(self.catalogue.features and getattr(self.blueprint.kind, "scores_content", False))

    def require_content(self, what: str) -> None:
        """Refuse what needs :attr:`scores_content`, by its name."""
        if not self.scores_content:
            raise UserError(f"{self.blueprint.name} scores items by their ids only: it cannot take {what}")


def scorer_over(blueprint: Blueprint, catalogue: Catalogue, model: Any) -> Scorer:
    """Scores of a model that the blueprint made over the items of a catalogue."""
    return Scorer(model, len(catalogue), blueprint.settings, catalogue.has_time)
