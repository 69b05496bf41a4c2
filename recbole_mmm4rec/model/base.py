"""What every model of this package is: an item table, a sequence encoder, a scorer and an objective.

A model builds a table of item vectors once per step, encodes histories gathered from it, and scores users
against candidates made from it. Losses, negatives, prediction and batching by length are the same for all.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from recbole.model.abstract_recommender import SequentialRecommender
from torch import Tensor

from recbole_mmm4rec.columns import READ_AT
from recbole_mmm4rec.data.modalities import pick_modalities
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.model.interface import TrainingHooks
from recbole_mmm4rec.model.objective import OBJECTIVES, build_objective
from recbole_mmm4rec.model.positions import UNKNOWN, check_positions
from recbole_mmm4rec.model.remembered import build_co_occurrence
from recbole_mmm4rec.model.shared_table import SharedTable
from recbole_mmm4rec.nn.buckets import groups_that_pay, in_buckets, length_buckets, read_in_buckets
from recbole_mmm4rec.nn.item_table import FrozenFeatures
from recbole_mmm4rec.nn.losses import inner_products
from recbole_mmm4rec.nn.objectives import Step, rows_of_items
from recbole_mmm4rec.nn.parameters import parameter_groups

Table = Mapping[str, Tensor]
"""Item vectors by name, each (n, D): of all N + 1 items, or of the ``items`` of a step."""

PRESENT = "present"
"""Entry of a table beside the vectors, where a model needs it: (n, M) bool, which modalities an item has."""


class MultiModalRecommender(TrainingHooks, SequentialRecommender):
    """Base of the package's models; a subclass gives ``item_table``, ``encode`` and ``candidates``.

    Class attributes:
        trims_history: batches come as wide as their longest history, not as ``MAX_ITEM_LIST_LENGTH``.
        modalities: feature files that the model uses where the configuration does not name any.
        most_modalities: how many it takes at once, of any names; None: as many as ``modalities`` has.
        bucket_overhead: what one more length group costs on a CPU, in positions of width 1 (measured: the
            start of every operation, whose share shrinks with the width).
        companions: names of files read along with those, such as other features of the same texts.
        objectives: values of the key ``objective`` that make sense in fine-tuning.
        pretraining_objectives: the same in pre-training; none where pre-training has its own losses.
        knows_length: whether weights that move are for one length of histories, as positions are.
        can_mask_seen: whether a target is what follows a history, as ``mask_seen`` takes it.
        whole_batch_values: key -> its value with which a loss reads whole batches, so that processes cannot
            share them out.
        item_bound, immovable, frozen_after_transfer, ranks_in_pretraining, item_rows, ...: what trainer and
            recommender ask, see :class:`~recbole_mmm4rec.model.interface.TrainedModel`.
    """

    scores_content: bool = True
    knows_length: bool = True
    trims_history: ClassVar[bool] = True
    modalities: ClassVar[tuple[str, ...]] = ()
    most_modalities: ClassVar[int | None] = None
    companions: ClassVar[tuple[str, ...]] = ()
    bucket_overhead: ClassVar[float] = 12_800
    objectives: ClassVar[tuple[str, ...]] = OBJECTIVES
    pretraining_objectives: ClassVar[tuple[str, ...]] = OBJECTIVES
    can_mask_seen: ClassVar[bool] = True
    whole_batch_values: ClassVar[Mapping[str, str]] = {}

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        self.TIME_SEQ = f"{config['TIME_FIELD']}{config['LIST_SUFFIX']}"
        self.pretraining = config["stage"] == "pretrain"
        # rows that items have beside their content; transfer leaves those of pre-training behind
        self.adds_item_rows = not self.pretraining or bool(config["pretrain_item_tables"])
        self.hidden_size: int = config["hidden_size"]
        self.num_buckets: int | None = config["num_buckets"]
        self.softmax_chunk = config["softmax_chunk"]
        self.pad_is_candidate = bool(config["pad_is_candidate"])
        self.mask_equal_items = bool(config["mask_equal_items"])
        self.mask_seen = bool(config["mask_seen"])
        check_positions(type(self), config, bool(getattr(dataset, "has_time", True)))
        self.objective = build_objective(type(self), config, dataset, self.n_items)
        self.decay_everything = bool(config["decay_everything"])
        self.co_occurrence = build_co_occurrence(config, dataset, self.n_items)
        self._shared_table: SharedTable | None = None
        loaded = getattr(dataset, "features", {})  # where the configuration names some, only those
        self.modality_names = pick_modalities(type(self), [*loaded] if config["modalities"] else None, loaded)
        self.feature_facts = {
            name: {"dimension": f.matrix.shape[1], "encoder": f.metadata.get("encoder")}
            for name, f in self.dataset_features(dataset).items()
        }

    def dataset_features(self, dataset: Any) -> dict[str, Any]:
        """The dataset's features that this model uses, in its order."""
        return {name: dataset.features[name] for name in self.modality_names}

    def frozen_features(self, dataset: Any) -> dict[str, FrozenFeatures]:
        """The same as modules."""
        return {n: FrozenFeatures(f.matrix, f.present) for n, f in self.dataset_features(dataset).items()}

    def required_features(self, config: Any, dataset: Any) -> dict[str, FrozenFeatures]:
        """The same, at least one.

        Raises:
            UserError: the dataset has none that this model can use.
        """
        features = self.frozen_features(dataset)
        if not features:
            files = " nor ".join(f"{config['dataset']}.{name}.parquet" for name in self.modalities)
            raise UserError(
                f"{type(self).__name__} needs a feature file: {config['data_path']} has neither {files}"
            )
        return features

    def required_text(self, config: Any, features: Mapping[str, FrozenFeatures]) -> FrozenFeatures:
        """The text features among these, or those of the modality used in place of texts.

        Raises:
            UserError: there are none.
        """
        for name, frozen in features.items():
            if name not in self.companions:
                return frozen
        files = " nor ".join(f"{config['dataset']}.{name}.parquet" for name in self.modalities)
        raise UserError(f"{type(self).__name__} needs {files} in {config['data_path']}")

    # What a subclass gives -------------------------------------------------------------------------------

    @abstractmethod
    def item_table(self, items: Tensor | None = None) -> Table:
        """Vectors of ``items`` (n,) int64, or of all N + 1 items."""

    @abstractmethod
    def encode(self, table: Table, item_seq: Tensor, lengths: Tensor, context: Any) -> Tensor:
        """User vectors (b, D) of histories (b, W) of row numbers of ``table``, right-padded with 0."""

    @abstractmethod
    def candidates(self, table: Table, items: Tensor | None = None) -> Tensor:
        """Candidate vectors (n, D) such that a score is their product with a user vector.

        Where it is not, (n, C): what ``scores`` reads, and ``item_matrix`` is None.
        """

    def encode_positions(self, table: Table, item_seq: Tensor, context: list[Tensor]) -> Tensor:  # noqa: ARG002
        """User vectors (b, W, D) of all prefixes of histories (b, W), right-padded with 0.

        The vector at a position is that of ``encode`` for the history that ends there; those at pads mean
        nothing. Only for models whose :meth:`whole_history_part` is None.
        """
        raise TypeError(f"{type(self).__name__} {UNKNOWN}")

    @classmethod
    def whole_history_part(cls, config: Any, has_time: bool) -> str | None:  # noqa: ARG003
        """What makes a prefix by itself give another vector; None: ``encode_positions`` is exact.

        Args:
            config: a run's values by key.
            has_time: whether the dataset has times.

        Returns:
            what the model has, as the end of a sentence that begins with its name.
        """
        return UNKNOWN

    def context(self, interaction: Any) -> list[Tensor]:  # noqa: ARG002
        """Tensors (B, ...) that ``encode`` needs beside the items, computed once per batch at full length."""
        return []

    scores = staticmethod(inner_products)  # (..., B, D) users, (..., n, D) candidates -> (..., B, n)

    # What all models share -------------------------------------------------------------------------------

    def calculate_loss(self, interaction: Any) -> Tensor:
        """The objective's loss: () float32."""
        step = self.plan(interaction[self.ITEM_SEQ], interaction[self.POS_ITEM_ID], self.seen(interaction))
        table = self.step_table(step)
        return self.objective_loss(self._users(table, step.item_seq, interaction), table, step)

    def plan(self, item_seq: Tensor, targets: Tensor, seen: Tensor | None = None) -> Step:
        """What the objective needs of a batch of histories (B, W), targets (T,) and :meth:`seen`."""
        assert self.objective is not None
        return self.objective.plan(item_seq, targets, seen)

    def seen(self, interaction: Any) -> Tensor | None:
        """Items of its history that do not compete with a target, (T, W) int64, 0 for none; None: all do."""
        if not self.mask_seen:
            return None
        seen, targets = interaction[self.ITEM_SEQ], interaction[self.POS_ITEM_ID]
        if READ_AT in interaction:
            row, position = interaction[READ_AT].unbind(1)
            places = torch.arange(seen.shape[1], device=seen.device)
            seen = seen[row].masked_fill(places > position.unsqueeze(1), 0)
        return seen.masked_fill(seen == targets.unsqueeze(1), 0)

    def step_table(self, step: Step) -> Table:
        """Vectors of the items of a step."""
        return self._full_table() if step.items is None else self.item_table(step.items)

    def objective_loss(self, users: Tensor, table: Table, step: Step) -> Tensor:
        """The objective's loss of users (T, D) who are to find the targets of a step: () float32."""
        assert self.objective is not None
        return self.objective(users, self.trained_candidates(table, step.items), step, self.scores)

    def trained_candidates(self, table: Table, items: Tensor | None = None) -> Tensor:
        """Candidate vectors in training, where a model has others there."""
        return self.candidates(table, items)

    def batch_items(self, interaction: Any) -> tuple[Tensor, Tensor, Tensor]:
        """The different items of a batch, the pad first, and the batch in terms of them.

        Returns:
            items (n,), histories (B, W) and targets (B,), the latter two as rows of the first; all int64.
        """
        items, item_seq, targets = rows_of_items(interaction[self.ITEM_SEQ], interaction[self.POS_ITEM_ID])
        return items, item_seq, targets

    def buckets(self, lengths: Tensor) -> list[tuple[Tensor, int]]:
        """Groups of a batch's rows that are encoded together, each with its width; ``lengths`` (B,)."""
        if self.num_buckets is not None:
            return length_buckets(lengths, self.num_buckets)
        return groups_that_pay(lengths, self.bucket_overhead / self.hidden_size)

    def _users(self, table: Table, item_seq: Tensor, interaction: Any) -> Tensor:
        """(T, D): of the histories of the batch, or of its targets where it says where they are read."""
        lengths, context = interaction[self.ITEM_SEQ_LEN], self.context(interaction)
        at_positions = READ_AT in interaction

        def encode(rows: Tensor, width: int) -> Tensor:
            histories, facts = item_seq[rows, :width], [part[rows] for part in context]
            if at_positions:
                return self.encode_positions(table, histories, facts)
            return self.encode(table, histories, lengths[rows], facts)

        buckets = self.buckets(lengths)
        if at_positions:
            return read_in_buckets(encode, buckets, interaction[READ_AT])
        return in_buckets(encode, buckets)

    @contextmanager
    def shared_item_table(self, histories: int = 0) -> Iterator[None]:
        """Within it the table of all items is made once: for an evaluation, or the batches of one step.

        Args:
            histories: that will be encoded without gradients; from as many as items on, linear maps of the
                items pay that the encoder begins with, and are kept as well.
        """
        self._shared_table = shared = SharedTable(self.item_table, keeps=histories >= self.n_items)
        try:
            yield
        finally:
            self._shared_table = None
        shared.backward()

    def _full_table(self) -> Table:
        return self.item_table() if self._shared_table is None else self._shared_table()

    def user_vectors(self, interaction: Any) -> Tensor:
        """(B, D) user vectors of a batch."""
        return self._users(self._full_table(), interaction[self.ITEM_SEQ], interaction)

    def item_matrix(self) -> Tensor | None:
        """(N + 1, D) candidates whose products with user vectors are :meth:`uncounted_scores`, or None."""
        return self.candidates(self._full_table())

    def counted_scores(self, interaction: Any) -> Tensor | None:
        """(B, N + 1) what ``co_occurrence`` adds to the scores of all items; None: nothing."""
        if self.co_occurrence is None:
            return None
        return self.co_occurrence(interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN])

    def uncounted_scores(self, interaction: Any) -> Tensor:
        """(B, N + 1) scores of all items beside counts."""
        table = self._full_table()
        users = self._users(table, interaction[self.ITEM_SEQ], interaction)
        return self.scores(users, self.candidates(table))

    def full_sort_predict(self, interaction: Any) -> Tensor:
        """(B, N + 1) scores of all items."""
        scores, counted = self.uncounted_scores(interaction), self.counted_scores(interaction)
        return scores if counted is None else scores + counted

    def predict(self, interaction: Any) -> Tensor:
        """(B,) scores of the batch's target items."""
        table, targets = self._full_table(), interaction[self.ITEM_ID]
        users = self._users(table, interaction[self.ITEM_SEQ], interaction)
        scores = self.scores(users.unsqueeze(1), self.candidates(table)[targets].unsqueeze(1)).flatten()
        counted = self.counted_scores(interaction)
        return scores if counted is None else scores + counted.gather(1, targets.unsqueeze(1)).flatten()

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Optimiser groups, see :func:`recbole_mmm4rec.nn.parameters.parameter_groups`."""
        return parameter_groups(self, weight_decay, self.decay_everything)

    def transfer_signature(self) -> dict[str, Any]:
        """Facts that a checkpoint and the model it is loaded into must agree on.

        Numbers of layers and shapes are not facts: they are compared entry by entry.
        """
        length = {"history_length": self.max_seq_length} if self.knows_length else {}
        return length | {"hidden_size": self.hidden_size, "features": self.feature_facts}
