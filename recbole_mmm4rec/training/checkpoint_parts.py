"""What the parts of a checkpoint must be, and one line about the file for whatever they still break.

A file may be damaged, or made by anybody. What can be said of a part by itself is in the schema
:class:`Parts`, by which every checkpoint is checked when it is read. Whether weights fit a model is up to
:func:`load_weights`, and the rest up to torch, to RecBole and to the constructors of models, which fail in
more ways than can be listed: that work is done within :func:`using`.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import torch
from pydantic import AfterValidator, Field, NonNegativeInt
from torch import Tensor, nn

from recbole_mmm4rec.errors import UserError, in_one_line
from recbole_mmm4rec.schema import Strict, shortened


def _plain(tensor: Tensor) -> Tensor:
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise ValueError("expected a dense tensor, found a sparse or quantized one")
    return tensor


def _object(text: str) -> str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, found {shortened(text)}")
    return text


Dense = Annotated[Tensor, AfterValidator(_plain)]


class _Open(Strict, extra="ignore", arbitrary_types_allowed=True):
    """Parts that later versions may add to."""


class Signature(_Open):
    """``model.transfer_signature()``: facts, and for every modality facts about its features."""

    features: dict[str, dict[str, Any]] = {}


class PackedFeatures(_Open):
    """One modality of :mod:`.item_contents`."""

    vectors: Dense
    present: Dense
    metadata: Annotated[str, AfterValidator(_object)]


class Items(_Open):
    """The part ``items``."""

    has_time: bool = False
    features: dict[str, PackedFeatures]


class Parts(_Open):
    """What the parts of a checkpoint must be, ours or a built-in model's; RecBole's own hold no tokens."""

    state_dict: dict[str, Dense]
    item_tokens: list[str] = []
    other_tokens: dict[str, list[str]] = {}
    signature: Signature = Signature()
    optimizer: dict[str, Any] | None = None
    training: dict[str, Any] | None = None
    other_parameter: dict[str, Any] | None = None
    items: Items | None = None
    epoch: Annotated[int, Field(ge=-1)] = 0
    cur_step: NonNegativeInt = 0
    best_valid_score: float = 0.0
    attempts: list[str] = []
    data_files: dict[str, str] = {}


@contextmanager
def using(path: str | None, part: str, kind: type[UserError] = UserError) -> Iterator[None]:
    """What fails within because of a file is one line that names the file and its part.

    For work on what a file holds that others do, and for no more than that: a fault of the program within
    reads as one of the file until ``--debug`` shows its traceback.

    Args:
        path: the file; None: there is none, and errors pass as they are.
        part: what is worked on, such as ``weights``.
        kind: of the error.

    Raises:
        UserError: in the place of any other error. Those that are lines of their own pass: of the user's
            input, of the system, of a package that is missing.
    """
    try:
        yield
    except (UserError, OSError, ModuleNotFoundError):
        raise
    except Exception as error:
        if path is None:
            raise
        reason = f"{type(error).__name__}: {in_one_line(error)}"
        raise kind(
            f"{path}: its {part} cannot be used: the file is damaged, or this version does not read it "
            f"({reason}); --debug shows the place"
        ) from error


def check_numbers(path: str, state: Mapping[str, Tensor]) -> None:
    """Refuse the weights of a model whose training has diverged: whatever it is asked, it has no answer.

    Raises:
        UserError: naming the file and the first entry that holds NaN.
    """
    for name, value in state.items():
        if value.is_floating_point() and bool(value.isnan().any()):
            raise UserError(f"{path}: weights are not numbers (NaN) in {name}; its training has diverged")


def load_weights(
    path: str,
    model: nn.Module,
    state: Mapping[str, Tensor],
    optional: Collection[str] = (),
    ignored: tuple[str, ...] = (),
) -> list[str]:
    """Give a model the weights of a file.

    Args:
        path: the file, for messages.
        model: gets the weights.
        state: of the file.
        optional: entries of the model that the state may lack.
        ignored: prefixes of entries that the model need not have.

    Returns:
        Entries of the model that the state lacks.

    Raises:
        UserError: entries that the model does not have or that are missing, and those of another shape or
            kind of number.
    """
    name, own = type(model).__name__, model.state_dict()
    with using(path, "weights"):
        for entry in sorted(state.keys() & own.keys()):
            if _kind(state[entry]) != _kind(own[entry]):
                kinds = f"{state[entry].dtype} in the file, {own[entry].dtype} in the model"
                raise UserError(f"{path}: weights do not fit {name}: {entry} is {kinds}")
        try:
            missing, unexpected = model.load_state_dict(dict(state), strict=False)
        except RuntimeError as error:
            lines = [line.strip() for line in str(error).splitlines()]
            raise UserError(f"{path}: weights do not fit {name}: {lines[min(1, len(lines) - 1)]}") from error
    lacking = [entry for entry in missing if entry not in optional]
    surplus = [entry for entry in unexpected if not entry.startswith(ignored)]
    for entries, told in ((lacking, "is missing"), (surplus, "is not of this model")):
        if entries:
            raise UserError(f"{path}: weights do not fit {name}: {entries[0]} {told} ({len(entries)} in all)")
    return list(missing)


def _kind(tensor: Tensor) -> str:
    """What converting a number to keeps its meaning."""
    if tensor.is_complex():
        return "complex"
    return "real" if tensor.is_floating_point() else "truth" if tensor.dtype == torch.bool else "whole"
