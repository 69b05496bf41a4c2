"""What the trainer, checkpoints and recommenders ask of a model, and a model of its data, as types.

:class:`ItemSource` is all that a model of ours asks of a dataset. :class:`TrainedModel` is the contract of a
model. :class:`TrainingHooks` holds its defaults, and is a base of every model of ours; :func:`hooks_of` gives
RecBole's own models the same defaults from outside.
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from recbole_mmm4rec.errors import UserError


class ItemFeatures(Protocol):
    """One modality of the items.

    Attributes:
        matrix: (N + 1, D_m) float32 or float16; rows of the pad and of items without the modality are zero.
        present: (N + 1,) bool.
        metadata: JSON facts about the encoder.
    """

    @property
    def matrix(self) -> Tensor: ...  # noqa: D102
    @property
    def present(self) -> Tensor: ...  # noqa: D102
    @property
    def metadata(self) -> dict[str, Any]: ...  # noqa: D102


class ItemSource(Protocol):
    """What a model asks of a dataset when it is built: a catalogue of items suffices.

    Attributes:
        has_time: whether interactions have times.
        features: by modality, in the model's order.
    """

    has_time: bool

    @property
    def features(self) -> Mapping[str, ItemFeatures]: ...  # noqa: D102

    def num(self, field: str) -> int:
        """N + 1 for the field of the items."""
        ...


@runtime_checkable
class TrainedModel(Protocol):
    """A model as the trainer sees it, beside RecBole's ``calculate_loss`` and ``full_sort_predict``.

    Attributes:
        item_bound: prefixes of state entries that belong to one dataset's items and never move to another.
        says_item_bound: ``item_bound`` is complete; False: any table may hold rows of items or users.
        immovable: those of them that do not move to the same items either (``load_item_tables``).
        frozen_after_transfer: prefixes of parameters that stay as pre-trained in fine-tuning.
        ranks_in_pretraining: pre-training learns to score items, so that held-out ones can choose its epoch.
        item_rows: prefixes of state entries that hold one row per item (those with N + 1 rows among them).
        scores_content: an item that training never saw is scored by its features; False: only by its id.
        loss_only: prefixes of state entries that only losses read.
        without_losses: settings under which the model is built without those.
        loss_features: modalities that only losses read.
    """

    item_bound: tuple[str, ...]
    says_item_bound: bool
    immovable: tuple[str, ...]
    frozen_after_transfer: tuple[str, ...]
    ranks_in_pretraining: bool
    item_rows: tuple[str, ...]
    scores_content: bool
    loss_only: tuple[str, ...]
    without_losses: Mapping[str, Any]
    loss_features: tuple[str, ...]

    def before_epoch(self, epoch: int) -> None:
        """Called before each epoch of training; epochs are counted from 0."""

    def parameter_groups(self, weight_decay: float) -> Iterable[Any]:
        """What the optimiser is given: parameters, or groups of them with their own weight decay."""
        ...

    def shared_item_table(self, histories: int = 0) -> AbstractContextManager[Any]:
        """Within it the table of all items is made once: for an evaluation, or the batches of one step.

        ``histories`` will be encoded without gradients, where it is known.
        """
        ...

    def item_matrix(self) -> Tensor | None:
        """(N + 1, D) vectors such that scores are ``user_vectors @ item_matrix.T``, or None.

        What :meth:`counted_scores` gives is added to the products.
        """
        ...

    def counted_scores(self, interaction: Any) -> Tensor | None:
        """(B, N + 1) what the histories of a batch add to the products of all items, or None."""
        ...

    def item_vectors(self) -> Tensor | None:
        """(N + 1, E) vectors whose cosines say how alike items are, or None."""
        ...

    def adopt_items(self, first: int) -> None:
        """Called where rows from ``first`` on are items that the loaded state does not know."""

    def transfer_signature(self) -> dict[str, Any]:
        """Facts that a checkpoint and the model it is loaded into must agree on."""
        ...

    def convert_released(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """State of the paper's released code under our names."""
        ...


class TrainingHooks:
    """The defaults of :class:`TrainedModel`: nothing bound, nothing frozen, nothing shared."""

    item_bound: tuple[str, ...] = ()
    says_item_bound: bool = True
    immovable: tuple[str, ...] = ()
    frozen_after_transfer: tuple[str, ...] = ()
    ranks_in_pretraining: bool = True
    item_rows: tuple[str, ...] = ()
    scores_content: bool = False
    loss_only: tuple[str, ...] = ()
    without_losses: Mapping[str, Any] = {}
    loss_features: tuple[str, ...] = ()

    def before_epoch(self, epoch: int) -> None:
        """Nothing to prepare."""

    def parameter_groups(self, weight_decay: float) -> Iterable[Any]:  # noqa: ARG002
        """All parameters in one group, which the optimiser decays."""
        assert isinstance(self, nn.Module)
        return self.parameters()

    def shared_item_table(self, histories: int = 0) -> AbstractContextManager[Any]:  # noqa: ARG002
        """Nothing is shared."""
        return nullcontext()

    def item_matrix(self) -> Tensor | None:
        """Scores are not known to be products."""
        return None

    def counted_scores(self, interaction: Any) -> Tensor | None:  # noqa: ARG002
        """Nothing is added."""
        return None

    def item_vectors(self) -> Tensor | None:
        """Those of the scores, where they are products."""
        return self.item_matrix()

    def adopt_items(self, first: int) -> None:
        """Nothing is derived from the items' content beforehand."""

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

    says_item_bound = False

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    def parameter_groups(self, weight_decay: float) -> Iterable[Any]:  # noqa: ARG002
        return self.model.parameters()


def hooks_of(model: Any) -> TrainedModel:
    """A model that satisfies the contract as it is, any other with the defaults."""
    return model if isinstance(model, TrainedModel) else _OutsideHooks(model)
