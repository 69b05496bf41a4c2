"""MMSRec: Song et al., "Self-supervised multi-modal sequential recommendation", 2023 (arXiv 2304.13277).

One network encodes picture and text tokens of histories and, item by item, of candidates. The user vector
is its output at a mask token after the history.
"""

from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recbole_mmm4rec.columns import IMAGE, PAD, TEXT
from recbole_mmm4rec.model.base import PRESENT, MultiModalRecommender, Table
from recbole_mmm4rec.model.mmsrec.joint_encoder import JointEncoder
from recbole_mmm4rec.model.mmsrec.masked_items import MaskDraws, draw_masks, mask_items
from recbole_mmm4rec.model.mmsrec.modality_contrast import Kind, modality_contrasts
from recbole_mmm4rec.model.self_attentive import transformer_settings
from recbole_mmm4rec.model.settings import chosen
from recbole_mmm4rec.nn.id_table import look_up
from recbole_mmm4rec.nn.item_table import FrozenFeatures
from recbole_mmm4rec.nn.parameters import initialise
from recbole_mmm4rec.nn.sharing import largest, mean_weight
from recbole_mmm4rec.nn.transformer import ATTENTION_STARTS, start_attentions_as_torch

ITEM = "item"
"""Entry of a step's table beside the tokens: candidate vectors (n, D)."""

LAST_POSITIONS = ("full", "batch")


class MMSRec(MultiModalRecommender):
    """Masked prediction with pictures and texts. Keys: ``properties/model/MMSRec.yaml``."""

    modalities: ClassVar[tuple[str, ...]] = (TEXT, IMAGE)
    most_modalities: ClassVar[int | None] = 2
    pretraining_objectives: ClassVar[tuple[str, ...]] = ()
    can_mask_seen: ClassVar[bool] = False
    ranks_in_pretraining: bool = False  # users are read at a mask token, which learns later

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        features = self.required_features(config, dataset)
        self.names = tuple(features)
        self.features = nn.ModuleDict(features)
        settings = transformer_settings(config)
        settings = replace(settings, inner_dropout=settings.dropout)
        self.slots = config["MAX_ITEM_LIST_LENGTH"] + 1  # one for the item to guess
        widths = {name: frozen.width for name, frozen in features.items()}
        self.encoder = JointEncoder(widths, settings, self.slots, config["dropout_prob"])
        self.temperature: float = config["temperature"]
        self.full_positions = chosen(config, "last_position", LAST_POSITIONS) == "full"
        self.move_positions = bool(config["move_positions"])
        self.item_bound = () if self.move_positions else ("encoder.position.",)
        self.knows_length = self.move_positions
        self.mask_ratio, self.item_chunk = config["mask_ratio"], config["item_chunk"]
        self.contrast_chunk = config["contrast_chunk"]
        self.keep_absent = chosen(config, "contrast_absent", ("leave_out", "constant")) == "constant"
        initialise(self, config["initializer_range"])
        if chosen(config, "attention_start", ATTENTION_STARTS) == "xavier":
            start_attentions_as_torch(self.encoder.modules(), alike=True)

    # Items -----------------------------------------------------------------------------------------------

    def item_table(self, items: Tensor | None = None) -> Table:
        """Tokens (n, D) per modality, which of them exist, and candidate vectors."""
        table = self.tokens(items)
        present = dict(zip(self.names, table[PRESENT].unbind(1), strict=True))
        vectors = self.encoder.items({name: table[name] for name in self.names}, present, self.item_chunk)
        return table | {ITEM: vectors}

    def tokens(self, items: Tensor | None = None) -> dict[str, Tensor]:
        """The table without candidate vectors."""
        frozen = {n: f for n, f in self.features.items() if isinstance(f, FrozenFeatures)}
        tokens = {name: f.through(self.encoder.inputs[name], items) for name, f in frozen.items()}
        return tokens | {PRESENT: torch.cat([f.rows(items)[1] for f in frozen.values()], dim=1)}

    def candidates(self, table: Table, items: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """(n, D) of length 1 / temperature; zero for an item without any modality."""
        return F.normalize(table[ITEM], dim=-1) / self.temperature

    # Histories -------------------------------------------------------------------------------------------

    def context(self, interaction: Any) -> list[Tensor]:
        """The position (B,) of every history's first item."""
        return [self.first_positions(interaction[self.ITEM_SEQ_LEN] + 1)]

    @classmethod
    def whole_history_part(cls, config: Any, has_time: bool) -> str | None:  # noqa: ARG003
        """Attention."""
        return "reads histories in both directions"

    def first_positions(self, lengths: Tensor) -> Tensor:
        """(B,) first positions of sequences of ``lengths`` (B,): the last ones are equal."""
        last = self.slots if self.full_positions else largest(int(lengths.max()), lengths.device)
        return last - lengths

    def encode(self, table: Table, item_seq: Tensor, lengths: Tensor, context: list[Tensor]) -> Tensor:
        """(b, W) rows of the table -> (b, D) of length 1, the vector at a mask token after the history."""
        sequences, last = F.pad(item_seq, (0, 1)), lengths.unsqueeze(1)
        masked = torch.arange(sequences.shape[1], device=lengths.device) == last
        return F.normalize(self.states(table, sequences, context[0], masked, last)[:, 0], dim=-1)

    def states(
        self,
        table: Table,
        sequences: Tensor,
        first: Tensor,
        masked: Tensor | None = None,
        read: Tensor | None = None,
        names: tuple[str, ...] = (),
    ) -> Tensor:
        """Vectors of sequences in context.

        Args:
            table: of tokens.
            sequences: (b, S) rows of the table, right-padded with 0.
            first: (b,) positions of the first slots.
            masked: (b, S) bool, where the mask token stands in place of the item.
            read: (b, 1) the slot whose vector is wanted; None: all.
            names: modalities that are seen; none named: all.

        Returns:
            (b, S, D) or (b, 1, D).
        """
        tokens, present = {}, {}
        for name in names or self.names:
            tokens[name] = look_up(table[name], sequences)
            present[name] = table[PRESENT][:, self.names.index(name)][sequences]
            if masked is not None:
                tokens[name] = torch.where(masked.unsqueeze(-1), self.encoder.mask.weight, tokens[name])
                present[name] = present[name] | masked
        slots = torch.arange(sequences.shape[1], device=first.device)
        positions = (first.unsqueeze(1) + slots).clamp_max(self.slots - 1)  # pads may lie beyond
        return self.encoder(tokens, present, positions, read)

    # Losses ----------------------------------------------------------------------------------------------

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Fine-tuning: the objective of items to guess; pre-training: mean of the contrasts."""
        item_seq, lengths = interaction[self.ITEM_SEQ], interaction[self.ITEM_SEQ_LEN]
        if self.pretraining:
            items, item_seq, targets = self.batch_items(interaction)
            sequences = appended(item_seq, lengths, targets)
            terms = self.contrasts(self.tokens(items), sequences, lengths + 1, items)
            return torch.stack([*terms.values()]).mean() if terms else self.encoder.mask.weight.sum() * 0.0
        sequences = appended(item_seq, lengths, interaction[self.POS_ITEM_ID])
        return self.guessing_loss(sequences, lengths, draw_masks(sequences, self.n_items, self.mask_ratio))

    def guessing_loss(self, sequences: Tensor, last: Tensor, draws: MaskDraws) -> Tensor:
        """The objective of guesses in sequences (B, S) whose last items are at ``last`` (B,)."""
        seen, masked, wanted = mask_items(sequences, last, draws)
        buckets = self.buckets(last + 1)
        targets = [sequences[rows, :width][wanted[rows, :width]] for rows, width in buckets]
        step = self.plan(seen, torch.cat(targets))
        table, seen = self.step_table(step), step.item_seq
        masked = masked | (wanted & ~table[PRESENT][seen].any(-1))  # a position that is read needs a token
        first, users = self.first_positions(last + 1), []
        for rows, width in buckets:
            states = self.states(table, seen[rows, :width], first[rows], masked[rows, :width])
            users.append(states[wanted[rows, :width]])
        loss = self.objective_loss(F.normalize(torch.cat(users), dim=-1), table, step)
        return mean_weight(len(step.targets), loss.device) * loss

    def contrasts(
        self, table: Table, sequences: Tensor, lengths: Tensor, items: Tensor | None = None
    ) -> dict[str, Tensor]:
        """InfoNCE terms of sequences (B, S) of the table's rows by name, each () float32.

        ``items`` (n,) are the item numbers of these rows; None: the rows are item numbers.
        """
        first, buckets = self.first_positions(lengths), self.buckets(lengths)
        parts = [(sequences[rows, :width], first[rows]) for rows, width in buckets]

        def view(names: Kind) -> Tensor:
            seen = [self.states(table, part, start, names=names)[part > PAD] for part, start in parts]
            return torch.cat(seen)

        rows = torch.cat([part[part > PAD] for part, _ in parts])
        settings = self.temperature, self.mask_equal_items, self.contrast_chunk, self.keep_absent
        numbers = rows if items is None else items[rows]
        return modality_contrasts(view, self.names, table[PRESENT][rows], numbers, *settings)


def appended(item_seq: Tensor, lengths: Tensor, targets: Tensor) -> Tensor:
    """Histories (B, W) and the items (B,) after them -> (B, W + 1)."""
    return F.pad(item_seq, (0, 1)).scatter(1, lengths.unsqueeze(1), targets.unsqueeze(1))
