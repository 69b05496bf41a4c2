"""What the trainer, transfer and checkpoints ask of a model, as types.

:class:`TrainedModel` is the contract. :class:`TrainingHooks` holds its defaults, and is a base of every model
of ours; :func:`hooks_of` gives RecBole's own models the same defaults from outside.
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from recbole_mmm4rec.errors import UserError


@runtime_checkable
class TrainedModel(Protocol):
    """A model as the trainer sees it, beside RecBole's ``calculate_loss`` and ``full_sort_predict``.

    Attributes:
        item_bound: prefixes of state entries that belong to one dataset's items and never move to another.
        immovable: those of them that do not move to the same items either (``load_item_tables``).
        frozen_after_transfer: prefixes of parameters that stay as pre-trained in fine-tuning.
        ranks_in_pretraining: pre-training learns to score items, so that held-out ones can choose its epoch.
    """

    item_bound: tuple[str, ...]
    immovable: tuple[str, ...]
    frozen_after_transfer: tuple[str, ...]
    ranks_in_pretraining: bool

    def before_epoch(self, epoch: int) -> None:
        """Called before an epoch of training, which is counted from 0."""

    def parameter_groups(self, weight_decay: float) -> Iterable[Any]:
        """What the optimiser is given: parameters, or groups of them with their own weight decay."""
        ...

    def shared_item_table(self) -> AbstractContextManager[Any]:
        """Within it the table of all items is made once: for an evaluation, or the batches of one step."""
        ...

    def item_matrix(self) -> Tensor | None:
        """(N + 1, D) vectors such that scores are ``user_vectors @ item_matrix.T``, or None."""
        ...

    def transfer_signature(self) -> dict[str, Any]:
        """Facts that a checkpoint and the model it is loaded into must agree on."""
        ...

    def convert_released(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """State of the paper's released code under our names."""
        ...


class TrainingHooks:
    """The defaults of :class:`TrainedModel`: nothing bound, nothing frozen, nothing shared."""

    item_bound: tuple[str, ...] = ()
    immovable: tuple[str, ...] = ()
    frozen_after_transfer: tuple[str, ...] = ()
    ranks_in_pretraining: bool = True

    def before_epoch(self, epoch: int) -> None:
        """Nothing to prepare."""

    def parameter_groups(self, weight_decay: float) -> Iterable[Any]:  # noqa: ARG002
        """All parameters in one group, which the optimiser decays."""
        assert isinstance(self, nn.Module)
        return self.parameters()

    def shared_item_table(self) -> AbstractContextManager[Any]:
        """Nothing is shared."""
        return nullcontext()

    def item_matrix(self) -> Tensor | None:
        """Scores are not known to be products."""
        return None

    def transfer_signature(self) -> dict[str, Any]:
        """No facts."""
        return {}

    @classmethod
    def convert_released(cls, state: Mapping[str, Tensor]) -> dict[str, Tensor]:  # noqa: ARG003
        """No released code is known.

        Raises:
            UserError: always.
        """
        raise UserError("a checkpoint of the released MMM4Rec code, which another model cannot load")


class _OutsideHooks(TrainingHooks):
    """The defaults for a model that does not have them."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def parameter_groups(self, weight_decay: float) -> Iterable[Any]:  # noqa: ARG002
        return self.model.parameters()


def hooks_of(model: Any) -> TrainedModel:
    """A model that satisfies the contract as it is, any other with the defaults."""
    return model if isinstance(model, TrainedModel) else _OutsideHooks(model)
