"""What moves from a pre-trained checkpoint into a model on another dataset, and what must agree before.

Everything moves but the tables bound to a dataset's items (``model.item_bound``); frozen features are in no
checkpoint. A modality that only one side uses is not an obstacle: its weights stay behind, or start fresh.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from logging import getLogger
from typing import Any

import torch
from recbole.utils import set_color
from torch import Tensor

from recbole_mmm4rec.columns import PAD, UNKNOWN
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.model.interface import hooks_of
from recbole_mmm4rec.model.remembered import CO_OCCURRENCE
from recbole_mmm4rec.training.checkpoint import RELEASED, Checkpoint, read_checkpoint
from recbole_mmm4rec.training.checkpoint_parts import using
from recbole_mmm4rec.training.row_tokens import check_rows, item_tokens, known_tokens

_NUMBERED = re.compile(r"^(.*?)\.(\d+)\.")


@dataclass
class TransferReport:
    """Names of state entries and their numbers of values.

    Attributes:
        moved: entries of the model that now hold the checkpoint's values.
        left: entries of the checkpoint that the model did not take.
        fresh: entries of the model that keep their initial values.
        frozen: parameters that will not be trained.
        matched_items: items that both sides have, by token; ``None`` when not asked for.
        moved_tables: entries among ``moved`` of which the rows of these items moved.
    """

    moved: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    fresh: dict[str, int] = field(default_factory=dict)
    frozen: dict[str, int] = field(default_factory=dict)
    matched_items: int | None = None
    moved_tables: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """One line a list: top-level modules and how many values each has."""
        lists = {"moved": self.moved, "left behind": self.left, "fresh": self.fresh}
        lines = [f"{title}: {_by_module(entries)}" for title, entries in lists.items()]
        if self.frozen:
            lines.append(f"frozen: {_by_module(self.frozen)}")
        if self.matched_items is not None:
            tables = ", ".join(self.moved_tables)
            moved = f"their rows moved in {tables}" if tables else "no row moved"
            lines.append(f"item tables: {self.matched_items} items found by token, {moved}")
        return lines


def load_pretrained(model: Any, path: str, dataset: Any, load_item_tables: bool = False) -> TransferReport:
    """Load what a checkpoint and a model have in common, and log the lists of :class:`TransferReport`.

    ``model.moved`` becomes the set of the names that moved, which may have a learning rate of their own.

    Args:
        model: its ``item_bound`` and ``frozen_after_transfer`` are prefixes of state entries; a file of the
            released code goes through its ``convert_released``.
        path: a checkpoint of ours or of the released MMM4Rec code.
        dataset: the dataset of ``model``, for its item tokens.
        load_item_tables: move rows of item-bound tables too, for the items that both datasets have.

    Raises:
        UserError: the checkpoint does not fit (names both sides), shares nothing with the model, or cannot be
            read.
    """
    checkpoint = read_checkpoint(path)
    with using(path, "weights"):
        report = _moved(model, checkpoint, dataset, load_item_tables)
    _log(report, path)
    return report


def _moved(model: Any, checkpoint: Checkpoint, dataset: Any, load_item_tables: bool) -> TransferReport:
    path, state, own = checkpoint.path, _state_for(model, checkpoint), model.state_dict()
    hooks = hooks_of(model)
    bound = (*hooks.item_bound, CO_OCCURRENCE)
    moving = {name: value for name, value in state.items() if not name.startswith(bound)}
    immovable = (*hooks.immovable, CO_OCCURRENCE)
    tables = {
        name: value
        for name, value in state.items()
        if name in own and name.startswith(bound) and not name.startswith(immovable)
    }
    _check_signature(path, checkpoint.signature, hooks.transfer_signature(), _way_out(checkpoint))
    _check_shapes(path, moving, own)
    if not hooks.says_item_bound:  # all its tables move, row by row
        known = known_tokens(vars(checkpoint), dataset.iid_field)
        check_rows(path, known, dataset, "its weights serve only these rows")
    report = TransferReport()
    _move(moving, own, report)
    if not report.moved:
        raise UserError(f"{path}: has no weight in common with {type(model).__name__}")
    if load_item_tables:
        _move_tables(checkpoint, tables, own, item_tokens(dataset), report)
    _finish(report, model, state, own)
    model.moved = frozenset(report.moved)
    return report


def _state_for(model: Any, checkpoint: Checkpoint) -> dict[str, Tensor]:
    """The checkpoint's entries under the model's names."""
    if checkpoint.kind != RELEASED:
        return checkpoint.state_dict
    try:
        return hooks_of(model).convert_released(checkpoint.state_dict)
    except (UserError, ValueError, KeyError) as error:
        raise UserError(f"{checkpoint.path}: {error}") from None


def _check_signature(path: str, there: Mapping[str, Any], here: Mapping[str, Any], way_out: str) -> None:
    """Facts that both sides state must be equal; a modality of only one side is not one of them."""
    shared = sorted(there.keys() & here.keys() - {"features"})
    _refuse(path, [_difference(key, there[key], here[key]) for key in shared])
    if there.get("any_features"):
        return
    features, own = there.get("features", {}), here.get("features", {})
    common = sorted(features.keys() & own.keys())
    unlike = [said for name in common for said in _differing_features(path, name, features[name], own[name])]
    _refuse(path, unlike, way_out)


def _refuse(path: str, differences: list[str | None], way_out: str = "") -> None:
    """Say all differences at once, as they are set together."""
    if said := [difference for difference in differences if difference]:
        raise UserError(f"{path}: {'; '.join(said)}{way_out}")


def _differing_features(
    path: str, modality: str, there: Mapping[str, Any], here: Mapping[str, Any]
) -> list[str | None]:
    """What differs; an unknown encoder may be any: that is reported, not refused."""
    shared = there.keys() & here.keys()
    encoders = there.get("encoder"), here.get("encoder")
    if None in encoders or UNKNOWN in encoders:
        unknown = "in the checkpoint" if encoders[0] in (None, UNKNOWN) else "here"
        getLogger().warning(
            f"{path}: the encoder of the {modality} features {unknown} is unknown; whether they can be "
            "compared with the other side's cannot be checked"
        )
        shared -= {"encoder"}
    facts = sorted(shared, key=lambda fact: (fact != "encoder", fact))
    return [_difference(f"{fact} of the {modality} features", there[fact], here[fact]) for fact in facts]


def _way_out(checkpoint: Checkpoint) -> str:
    """What to do where features differ, if the model offers anything."""
    if not checkpoint.config.get("pretrain_adapters"):
        return ""
    return " (a pre-training with pretrain_adapters: False moves to features of any encoder)"


def _check_fact(path: str, fact: str, there: Any, here: Any) -> None:
    _refuse(path, [_difference(fact, there, here)])


def _difference(fact: str, there: Any, here: Any) -> str | None:
    """What to say of a fact that both sides know and that differs."""
    if there is None or here is None or there == here:
        return None
    return f"{fact} is {there} in the checkpoint and {here} here"


def _check_shapes(path: str, there: Mapping[str, Tensor], here: Mapping[str, Tensor]) -> None:
    for name in sorted(there.keys() & here.keys()):
        if there[name].shape != here[name].shape:
            _check_fact(path, f"shape of {name}", tuple(there[name].shape), tuple(here[name].shape))
    counts, own = _layer_counts(there), _layer_counts(here)
    for stack in sorted(counts.keys() & own.keys()):
        _check_fact(path, f"number of {stack}", counts[stack], own[stack])


def _layer_counts(state: Mapping[str, Tensor]) -> dict[str, int]:
    """Highest number + 1 under every numbered stack: 2 for ``layers.0.x`` and ``layers.1.x``."""
    found = [match for name in state if (match := _NUMBERED.match(name))]
    stacks = {match[1] for match in found}
    return {stack: 1 + max(int(match[2]) for match in found if match[1] == stack) for stack in stacks}


@torch.no_grad()
def _move(moving: Mapping[str, Tensor], own: Mapping[str, Tensor], report: TransferReport) -> None:
    for name in [name for name in moving if name in own]:
        own[name].copy_(moving[name])
        report.moved[name] = moving[name].numel()


@torch.no_grad()
def _move_tables(
    checkpoint: Checkpoint,
    tables: Mapping[str, Tensor],
    own: Mapping[str, Tensor],
    tokens: list[str],
    report: TransferReport,
) -> None:
    """Copy the rows of items that both sides have; everything else in a table stays as it is."""
    theirs = _source_tokens(checkpoint, tables, tokens)
    row_of = {token: row for row, token in enumerate(theirs) if row != PAD}
    pairs = [(row_of[token], row) for row, token in enumerate(tokens) if row != PAD and token in row_of]
    report.matched_items = len(pairs)
    if not pairs:
        return
    source, target = torch.tensor([*pairs, (PAD, PAD)]).T
    for name, table in tables.items():
        if table.ndim and len(table) == len(theirs) and len(own[name]) == len(tokens):
            widths = tuple(table.shape[1:]), tuple(own[name].shape[1:])
            _check_fact(checkpoint.path, f"width of {name}", *widths)
            own[name][target.to(own[name].device)] = table[source].to(own[name])
            report.moved[name] = table[source].numel()
            report.moved_tables.append(name)


def _source_tokens(checkpoint: Checkpoint, tables: Mapping[str, Tensor], tokens: list[str]) -> list[str]:
    """Tokens of the checkpoint's rows. The released code numbers items by the rank of their token, from 1."""
    if checkpoint.kind != RELEASED:
        return checkpoint.item_tokens
    ranked = [*tokens[:1], *sorted(tokens[1:])]
    for name, table in tables.items():
        if table.ndim > 1:  # weights that all items share have no row for each of them
            _check_fact(checkpoint.path, f"number of rows of {name}", len(table), len(ranked))
    return ranked


def _finish(
    report: TransferReport, model: Any, state: Mapping[str, Tensor], own: Mapping[str, Tensor]
) -> None:
    report.left = {name: value.numel() for name, value in state.items() if name not in report.moved}
    report.fresh = {name: value.numel() for name, value in own.items() if name not in report.moved}
    frozen = tuple(hooks_of(model).frozen_after_transfer)
    for name, parameter in model.named_parameters():
        if frozen and name.startswith(frozen) and name in report.moved:  # what is fresh has to learn
            parameter.requires_grad_(False)
            report.frozen[name] = parameter.numel()


def _log(report: TransferReport, path: str) -> None:
    for line in [f"from {path}", *report.lines()]:
        getLogger().info(set_color("pre-trained", "blue") + f" {line}")


def _by_module(entries: Mapping[str, int]) -> str:
    sums: dict[str, int] = {}
    for name, count in entries.items():
        module = name.split(".")[0]
        sums[module] = sums.get(module, 0) + count
    return ", ".join(f"{module} ({count:,})" for module, count in sums.items()) or "nothing"
