"""Which item, user or other token each row of a model's tables belongs to, and whether that is so here."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from recbole_mmm4rec.columns import PAD
from recbole_mmm4rec.data.known_rows import token_tables
from recbole_mmm4rec.data.offenders import named
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.model.interface import hooks_of

UNCHANGED = "a run goes on only with the files that it began with"
"""Advice for a run that is resumed."""


def item_tokens(dataset: Any) -> list[str]:
    """Item tokens of a RecBole dataset in row order; empty for a dataset without a token table."""
    tokens = getattr(dataset, "field2id_token", {}).get(getattr(dataset, "iid_field", None))
    return [] if tokens is None else [str(token) for token in tokens]


def row_tokens(dataset: Any, model: Any) -> dict[str, Any]:
    """The parts of a checkpoint that say what the rows of its tables belong to.

    A model that says what belongs to a dataset's items (``says_item_bound``) has no rows of users, and of
    other columns only those of ``category_field``. Any other model may have rows of every loaded column.

    Returns:
        ``item_tokens``, and ``other_tokens`` by field.
    """
    tables = token_tables(dataset)
    tables.pop(getattr(dataset, "iid_field", ""), None)
    if hooks_of(model).says_item_bound:
        wanted = {dataset.config["category_field"]} if tables else set()
        tables = {field: tokens for field, tokens in tables.items() if field in wanted}
    return {"item_tokens": item_tokens(dataset), "other_tokens": tables}


def known_tokens(content: Mapping[str, Any], item_field: str) -> dict[str, list[str]]:
    """All tables of a checkpoint's content by field; empty for a file that does not say."""
    items = content.get("item_tokens")
    return ({item_field: items} if items else {}) | (content.get("other_tokens") or {})


def read_known_tokens(path: str, item_field: str) -> dict[str, list[str]]:
    """:func:`known_tokens` of a file, whose tensors are mapped and not read; empty for what is unreadable."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        known = known_tokens(content, item_field)
        readable = all(
            isinstance(tokens, list) and all(isinstance(token, str) for token in tokens)
            for tokens in known.values()
        )
        return known if readable else {}
    except Exception:  # a pickle of RecBole's, or damaged: whoever loads the weights says so
        return {}


def check_rows(
    path: str,
    known: Mapping[str, Sequence[str]],
    dataset: Any,
    advice: str,
    kind: type[UserError] = UserError,
) -> None:
    """Refuse weights whose rows belong to other tokens than the rows of a dataset.

    Args:
        path: the checkpoint, for the message.
        known: its tokens by field.
        dataset: the dataset of the model that gets the weights.
        advice: what the user can do, the end of the message.
        kind: the error to raise.

    Raises:
        UserError: naming the field and the tokens that changed.
    """
    here = token_tables(dataset)
    for field, tokens in known.items():
        if list(tokens) != here.get(field, []):
            change = _change(list(tokens)[PAD + 1 :], here.get(field, [])[PAD + 1 :])
            raise kind(f"{path}: '{dataset.dataset_name}' has changed, its {field} {change}; {advice}")


def _change(there: list[str], here: list[str]) -> str:
    """How the tokens differ, as the end of a sentence."""
    before, now = set(there), set(here)
    gone, new = [t for t in there if t not in now], [t for t in here if t not in before]
    told = [f"no longer has {named(gone)}"] if gone else []
    told += [f"has in addition {named(new)}"] if new else []
    if told:
        return " and ".join(told)
    row = next(row for row, token in enumerate(there) if token != here[row])
    return f'is in another order, with "{here[row]}" in row {row + 1} where "{there[row]}" was'


def check_files(path: str, then: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Refuse a dataset whose files have changed since a run began; one that came since is not of the run.

    Args:
        path: of the run's checkpoint.
        then, now: hash of each file by its name; empty where nobody said.
    """
    told = [
        f"{name} {'changed' if name in now else 'gone'}"
        for name, content in then.items()
        if now and now.get(name) != content
    ]
    if told:
        raise UserError(f"{path}: the dataset is another one, {', '.join(told)}; {UNCHANGED}")
