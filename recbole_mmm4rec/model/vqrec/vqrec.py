"""VQ-Rec: Hou et al., "Learning vector-quantized item representations for transferable sequential
recommenders", WWW 2023."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from recbole_mmm4rec.columns import TEXT
from recbole_mmm4rec.model.cosine import CosineRecommender
from recbole_mmm4rec.model.settings import chosen
from recbole_mmm4rec.model.vqrec.code_table import CodePermutation
from recbole_mmm4rec.model.vqrec.quantised_table import QuantisedTable
from recbole_mmm4rec.nn.item_table import FrozenFeatures
from recbole_mmm4rec.nn.losses import contrastive_loss

INDICES = ("pretrained", "own")


class VQRec(CosineRecommender):
    """Text as discrete codes. Keys: ``properties/model/VQRec.yaml``."""

    modalities: ClassVar[tuple[str, ...]] = (TEXT,)
    item_bound: tuple[str, ...] = ()
    pretraining_objectives: ClassVar[tuple[str, ...]] = ()
    item_rows: tuple[str, ...] = ()
    immovable: tuple[str, ...] = ("permutation.", "folded")  # between two quantisers

    table: QuantisedTable
    folded: Tensor

    def build_table(self, config: Any, features: Mapping[str, FrozenFeatures]) -> nn.Module:
        """Codes and their embeddings."""
        text = self.required_text(config, features)
        return QuantisedTable(
            text, config["code_dim"], config["code_cap"], config["hidden_size"], config["seed"]
        )

    def build_rest(self, config: Any) -> None:
        """The permutation, where a loaded code table meets codes of another quantiser."""
        self.replace_ratio: float = config["code_replace_ratio"]
        self.permutation_epochs: int = config["permutation_epochs"]
        self.permutation: CodePermutation | None = None
        self.code_sizes: tuple[int, int] = (config["code_dim"], config["code_cap"])
        own = chosen(config, "code_index", INDICES) == "own"
        self.item_bound = ("table.quantiser.", *self.immovable) if own else self.immovable
        if own and config["pretrained"] and self.permutation_epochs > 0 and not self.pretraining:
            self._add_permutation()

    def _add_permutation(self) -> None:
        device = self.table.codes.embedding.weight.device
        self.permutation = CodePermutation(*self.code_sizes).to(device)
        self.register_buffer("folded", torch.zeros((), dtype=torch.bool, device=device))

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        """A saved permutation is taken up by a model built without one.

        Whether there is one depends on ``pretrained``, which is not among the settings in a checkpoint.
        """
        if self.permutation is None and f"{prefix}folded" in state_dict:
            self._add_permutation()
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def vectors(self, items: Tensor | None = None) -> Tensor:
        """(n, D) means of code embeddings, seen through the permutation while that is learnt."""
        table = None
        if self.permutation is not None and not self.folded:
            table = self.permutation(self.table.codes.embedding.weight)
        return self.table(items, table)

    def before_epoch(self, epoch: int) -> None:
        """First only the permutation learns; then the code table is rearranged by it and learns itself."""
        if self.permutation is None:
            return
        search = epoch < self.permutation_epochs
        if not search and not self.folded:
            with torch.no_grad():
                weight = self.table.codes.embedding.weight
                weight[1:] = self.permutation(weight, torch.zeros_like(self.permutation.weight))[1:]
            self.folded.fill_(True)
        for name, parameter in self.named_parameters():
            frozen = name.startswith(self.frozen_after_transfer) if self.frozen_after_transfer else False
            parameter.requires_grad_(name.startswith("permutation.") if search else not frozen)

    def calculate_loss(self, interaction: Any) -> Tensor:
        """Fine-tuning: the objective; pre-training: equation (7)."""
        if not self.pretraining:
            return super().calculate_loss(interaction)
        items, item_seq, target_rows = self.batch_items(interaction)
        vectors = self.vectors(items)
        users = self._users({"item": vectors}, item_seq, interaction)
        targets = interaction[self.POS_ITEM_ID]
        rows = self.table.rows(targets)
        replace = torch.rand(rows.shape, device=rows.device) < self.replace_ratio
        codes = torch.randint(self.table.codes.values, rows.shape, device=rows.device)
        return self.contrastive_loss(
            users, vectors[target_rows], targets, self.synthetic(rows, replace, codes)
        )

    def synthetic(self, rows: Tensor, replace: Tensor, codes: Tensor) -> Tensor:
        """Vectors (B, D) of items that do not exist.

        Args:
            rows: (B, M) rows of the code table, of existing items.
            replace: (B, M) bool, which to replace.
            codes: (B, M) int64 in 0..V-1, by what.
        """
        return self.table.codes(torch.where(replace, self.table.codes.rows(codes), rows))

    def contrastive_loss(
        self, users: Tensor, positives: Tensor, targets: Tensor, negatives: Tensor
    ) -> Tensor:
        """In-batch items and one synthetic negative per row: all (B, D) but targets (B,)."""
        return contrastive_loss(
            users, self.scaled(positives), targets, self.mask_equal_items, self.scaled(negatives)
        )
