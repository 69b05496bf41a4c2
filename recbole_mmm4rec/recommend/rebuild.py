"""Models from settings, a catalogue and weights: the trained one, and the same one over other items.

A recommender asks about items that are not in the table of the trained model: new ones, a query, an item
without its picture. Each time the same class is built over another catalogue, and gets the trained weights;
only what has one row per item is arranged anew. A new item's row is the mean of all items' rows, so that
the ids neither favour it nor hold it back and its content decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from recbole_mmm4rec.columns import PAD
from recbole_mmm4rec.errors import UserError, in_one_line
from recbole_mmm4rec.host.catalogue import find_model
from recbole_mmm4rec.host.config_checks import check_settings
from recbole_mmm4rec.model.base import MultiModalRecommender
from recbole_mmm4rec.model.interface import hooks_of
from recbole_mmm4rec.model.remembered import COUNTED
from recbole_mmm4rec.nn.item_table import Absent
from recbole_mmm4rec.recommend.catalogue import Catalogue
from recbole_mmm4rec.training.checkpoint_parts import load_weights


class ModelSettings(dict[str, Any]):
    """Settings of a run as RecBole's configuration gives them: a key that is not there reads as None."""

    def __missing__(self, key: str) -> None:
        return None


class Blueprint:
    """A trained model apart from its catalogue.

    Args:
        path: of the checkpoint, for messages.
        settings: of the run, from the checkpoint.
        state: weights.
        items: N + 1 of the items that the weights go with.
        device: where models are put.

    Raises:
        UserError: an unknown model, one that is not sequential, or one whose scores mean nothing yet.
    """

    def __init__(
        self,
        path: str,
        settings: Mapping[str, Any],
        state: Mapping[str, Tensor],
        items: int,
        device: torch.device,
    ) -> None:
        self.path, self.items, self.device = path, items, device
        self.name = str(settings.get("model"))
        self.kind: Any = find_model(self.name)
        self.is_ours = issubclass(self.kind, MultiModalRecommender)
        check_settings(path, self.name, settings)
        self._check(settings)
        changed = getattr(self.kind, "without_losses", {})
        self.settings = ModelSettings({**settings, **changed, "device": device})
        dropped = tuple(getattr(self.kind, "loss_only", ()))
        self.state = {name: value for name, value in state.items() if not name.startswith(dropped)}

    def _check(self, settings: Mapping[str, Any]) -> None:
        from recbole.utils import ModelType

        if getattr(self.kind, "type", None) != ModelType.SEQUENTIAL:
            raise UserError(
                f"{self.path}: {self.name} is not a sequential model; it knows the users of its training and "
                "cannot recommend from a history"
            )
        ranks = getattr(self.kind, "ranks_in_pretraining", True)
        if settings.get("stage") == "pretrain" and not ranks:
            raise UserError(
                f"{self.path}: scores of {self.name} mean nothing after pre-training; fine-tune it first"
            )

    @property
    def max_length(self) -> int:
        """L, items of a history that the model reads."""
        length = self.settings.get("MAX_ITEM_LIST_LENGTH")
        if isinstance(length, bool) or not isinstance(length, int) or length < 1:
            raise UserError(f"{self.path}: damaged checkpoint, MAX_ITEM_LIST_LENGTH is {length!r}")
        return length

    def model(self, catalogue: Catalogue) -> Any:
        """The trained model over the items that it was trained with, ready to predict.

        Raises:
            UserError: weights that do not fit, or a model that asks for more than items.
        """
        model = self._loaded(catalogue, self.state)
        self.state = model.state_dict()  # the same memory: weights are kept once
        return model

    def over(self, catalogue: Catalogue, rows: Tensor, count: int) -> Any:
        """The trained model over a part of its items and ``count`` new ones.

        Args:
            catalogue: of n + ``count`` items.
            rows: (n,) int64 numbers of the trained catalogue's items, the pad first.
            count: of new items, which come last.
        """
        state = dict(self.state)
        for name in self.row_names:
            state[name] = _rearranged(state[name], rows, count)
        model = self._loaded(catalogue, state)
        hooks_of(model).adopt_items(len(rows))
        return model

    @property
    def row_names(self) -> list[str]:
        """Entries of the state that have one row per item."""
        return [name for name in self.state if self._has_item_rows(name)]

    def _has_item_rows(self, name: str) -> bool:
        table, prefixes = self.state[name], (*getattr(self.kind, "item_rows", ()), COUNTED)
        return bool(table.ndim) and len(table) == self.items and name.startswith(prefixes)

    def grown(self, model: Any, catalogue: Catalogue) -> Blueprint:
        """The blueprint of a model that :meth:`over` gave, over its catalogue."""
        return Blueprint(self.path, self.settings, model.state_dict(), len(catalogue), self.device)

    def _loaded(self, catalogue: Catalogue, state: Mapping[str, Tensor]) -> Any:
        model = self.built(catalogue)
        gaps = _absences(model)
        missing = load_weights(self.path, model, state, gaps, ("absent.",))
        with torch.no_grad():
            for name in missing:  # no item of training lacked the modality, so nothing was learnt for it
                gaps[name].zero_()
        return model.to(self.device).eval().requires_grad_(False)

    def built(self, catalogue: Catalogue) -> Any:
        """The model over a catalogue, its weights not yet the trained ones.

        Raises:
            UserError: it asks for more than items.
        """
        try:
            with torch.random.fork_rng(devices=[]):  # the first values are overwritten
                return self.kind(self.settings, catalogue)
        except UserError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            reason = in_one_line(error)
            raise UserError(
                f"{self.path}: {self.name} cannot be rebuilt from items only, it reads more of its dataset "
                f"or settings: {reason}"
            ) from error


def _absences(model: nn.Module) -> dict[str, Tensor]:
    """What replaces a modality that an item lacks in histories, by state entry."""
    modules = dict(model.named_modules())
    return {f"{name}.vector": part.vector for name, part in modules.items() if isinstance(part, Absent)}


def _rearranged(table: Tensor, rows: Tensor, count: int) -> Tensor:
    """Rows of a table (N + 1, ...) and ``count`` means of all items' rows; zeros for whole numbers."""
    old = table[rows.to(table.device)]
    if not count:
        return old
    items = table[PAD + 1 :]
    mean = items.mean(0) if table.is_floating_point() and len(items) else torch.zeros_like(table[PAD])
    return torch.cat([old, mean.expand(count, *table.shape[1:])])
