"""MMM4Rec as the released code runs it: every position of every history at full length, nothing shared.

Adapters run on every history row, all layers on all positions (:mod:`tests.model.plain_layers`), both score
products apart. It reads the weights of a model and says, slowly and obviously, what the model must compute.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from recbole_mmm4rec.model.mmm4rec import MMM4Rec
from recbole_mmm4rec.nn.losses import in_batch_loss
from tests.model.plain_layers import token_layer


def vectors(model: MMM4Rec, name: str, items: Tensor) -> Tensor:
    """Adapted vectors of a tensor of items of any shape, one by one."""
    table = model.table
    frozen = table.features[name]
    out = table.adapters[name](frozen.matrix[items].float())
    if table.mask_missing:
        out = out * frozen.present[items].unsqueeze(-1)
    return out + table.item_bias[name][items] if name in table.item_bias else out


def in_history(model: Any, name: str, found: Tensor) -> Tensor:
    """A learnt vector in the place of one that is all zeros."""
    if name not in model.absent:
        return found
    return torch.where((found == 0).all(-1, keepdim=True), model.absent[name].vector, found)


def users(model: MMM4Rec, batch: Any) -> Tensor:
    """(B, D): the last valid position of the full-length streams; with biases of scores, and a 1."""
    item_seq, lengths = batch["item_id_list"], batch["item_length"]
    item_seq = F.pad(item_seq, (0, model.max_seq_length - item_seq.shape[1]))
    names = list(model.table.adapters)
    text, image = (
        model.input_norm[name](model.dropout(in_history(model, name, vectors(model, name, item_seq))))
        for name in (names[0], names[-1])
    )
    context = model.context(batch)
    for number, layer in enumerate(model.layers):
        scales = None
        if context:
            scales = [scale.transpose(1, 2) for scale in context[number].unbind(1)]
        text, image = token_layer(layer, text, image, scales)
    last = image[torch.arange(len(image)), lengths - 1]
    return last if model.score_bias is None else F.pad(last, (0, 1), value=1.0)


def scores(model: MMM4Rec, batch: Any) -> Tensor:
    """(B, N + 1): one product per modality, summed; static fusion."""
    u, total = users(model, batch)[:, : model.hidden_size], torch.zeros(())
    every = torch.arange(model.n_items)
    for name in model.table.adapters:
        candidates = vectors(model, name, every)
        if model.fusion.normalise:
            candidates = F.normalize(candidates, dim=-1)
        if model.fusion.rescale_missing:
            have = sum(f.present.float() for f in model.table.features.values())
            candidates = candidates * (len(model.table.adapters) / have.clamp_min(1)).unsqueeze(-1)
        total = total + u @ candidates.T
    return total / model.fusion.temperature + (0 if model.score_bias is None else model.score_bias.values)


def loss(model: MMM4Rec, batch: Any) -> Tensor:
    """Cross-entropy over the catalogue or the batch."""
    targets, logits = batch["item_id"], scores(model, batch)
    if model.pretraining:
        identity = torch.eye(model.n_items)[targets]
        return in_batch_loss(logits, identity, targets, model.mask_equal_items)
    if not model.pad_is_candidate:
        logits, targets = logits[:, 1:], targets - 1
    return F.cross_entropy(logits, targets)
