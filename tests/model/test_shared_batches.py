"""Every model's training loss on a batch that two processes share against that of one process.

Without dropout, and with draws that depend on the rows alone. The value and every gradient are compared.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pytest
import torch
from torch import Tensor

from recbole_mmm4rec.columns import TEXT
from recbole_mmm4rec.host.catalogue import find_model
from recbole_mmm4rec.model.mmsrec.masked_items import MaskDraws
from recbole_mmm4rec.model.s3rect.self_supervision import Views
from recbole_mmm4rec.model.unisrec.unisrec import WORD_DROP
from recbole_mmm4rec.model.vqrec.vqrec import VQRec
from recbole_mmm4rec.nn import sharing
from recbole_mmm4rec.nn.collectives import all_reduce
from recbole_mmm4rec.nn.padding import valid_positions
from recbole_mmm4rec.nn.sharing import Share
from tests.golden import assert_agrees, assert_gradients_agree
from tests.model import builders
from tests.pair import in_two_processes

N, LENGTH, CATEGORIES = 40, 8, 5
SIZES = (35, 1)
"""Rows of a batch: an odd number, and fewer than processes."""

SMALL: dict[str, Any] = {
    "hidden_size": 16,
    "inner_size": 24,
    "n_heads": 2,
    "head_dim": 8,
    "n_groups": 2,
    "d_state": 8,
    "n_exps": 2,
    "code_dim": 4,
    "code_cap": 8,
    "num_negatives": 5,
    "category_field": "genre",
    "seed": 0,
}
NO_DROPOUT = {
    f"{name}dropout_prob": 0.0 for name in ("", "hidden_", "attn_", "adaptor_", "time_", "gap_")
} | {"modality_dropout": 0.0}

PRETRAINED = ("MMM4Rec", "UniSRec", "VQRec", "MISSRec", "MMSRec", "HM4SR", "M3Rec", "S3RecT")
OTHERS = ("BSARec", "FDSAT", "Mamba4RecT", "SASRecT", "TiM4RecT", "ZESRec")


class Case(NamedTuple):
    """A model and keys of its configuration."""

    model: str
    fidelity: str
    changes: dict[str, Any]

    def __str__(self) -> str:
        told = [f"{key}={value}" for key, value in self.changes.items()]
        return " ".join([self.model, self.fidelity, *told])


def cases() -> Iterator[Case]:
    for model in PRETRAINED:
        yield Case(model, "repaired", {"stage": "pretrain"})
        yield Case(model, "reference", {"stage": "pretrain", "category_index": "item"})
        yield Case(model, "repaired", {"objective": "in_batch", "in_batch_log_q": True})
    for model in (*PRETRAINED, *OTHERS):
        yield Case(model, "repaired", {})
    for model in ("MMM4Rec", "MISSRec", "MMSRec"):  # MMSRec's batches have more targets than rows
        # and its targets come by length, so that draws for each of them meet others in another process
        each = {"shared_negatives": model == "MMSRec"}
        yield Case(model, "reference", {})
        yield Case(model, "repaired", {"objective": "in_batch", "label_smoothing": 0.1})
        yield Case(model, "repaired", {"objective": "sampled", **each})
        yield Case(model, "repaired", {"objective": "gbce"})
    yield Case("MMSRec", "repaired", {"stage": "pretrain", "contrast_chunk": 4})
    yield Case("HM4SR", "repaired", {"stage": "pretrain", "label_smoothing": 0.1})
    yield Case("MMM4Rec", "repaired", {"objective": "in_batch", "mask_seen": True})


CASES = {str(case): case for case in cases()}


def build(case: Case) -> Any:
    """The model, with weights that do not depend on the process."""
    torch.manual_seed(0)
    kind, generator = find_model(case.model), torch.Generator().manual_seed(0)
    config = builders.settings(
        case.model, case.fidelity, MAX_ITEM_LIST_LENGTH=LENGTH, **SMALL | NO_DROPOUT | case.changes
    )
    texts, words, pictures = (torch.randn(N, width, generator=generator) for width in (12, 12, 10))
    described = {
        TEXT: builders.feature(texts, torch.arange(N) > 3),
        WORD_DROP: builders.feature(words, torch.arange(N) > 3),
        "image": builders.feature(pictures, torch.arange(N) % 3 == 1),
    }
    wanted = {*kind.modalities, *kind.companions, TEXT}
    data = builders.dataset(N, **{name: part for name, part in described.items() if name in wanted})
    genres = torch.rand(N, CATEGORIES, generator=generator) < 0.4
    data.item_feat = {"genre": genres.long() * torch.arange(1, CATEGORIES + 1)}
    data.num = lambda field: CATEGORIES + 1 if field == "genre" else N
    data.target_counts = lambda: torch.arange(N)
    model = kind(config, data).train()
    model.before_epoch(0)
    return model


def batch(rows: int) -> Any:
    lengths = torch.randint(1, LENGTH + 1, (rows,), generator=torch.Generator().manual_seed(rows))
    return builders.random_batch(lengths.tolist(), N, LENGTH, width=LENGTH)


# Draws that depend on the rows ---------------------------------------------------------------------------


def places(lengths: Tensor, width: int) -> Tensor:
    """(B, width) bool, about a third of the positions."""
    chosen = (lengths.unsqueeze(1) + torch.arange(width)) % 3 == 1
    return chosen & valid_positions(lengths, width)


def kept(lengths: Tensor, width: int, drop: float, keep_first: bool = True) -> Tensor:
    chosen = ~places(lengths, width)
    chosen[:, 0] |= keep_first
    return chosen


def masks(sequences: Tensor, n_items: int, ratio: float) -> MaskDraws:
    return MaskDraws(sequences % 3 == 0, sequences % 10 / 10, sequences * 7 % (n_items - 1) + 1)


def views(item_seq: Tensor, lengths: Tensor, n_items: int, ratio: float) -> Views:
    hidden = places(lengths, item_seq.shape[1])
    other = (item_seq * 7 % (n_items - 1) + 1) * (item_seq > 0)
    masked, changed = item_seq.masked_fill(hidden, n_items), torch.where(hidden, other, item_seq)
    return Views(masked, item_seq, changed, masked, item_seq, other)


_synthetic = VQRec.synthetic


def synthetic(self: VQRec, rows: Tensor, replace: Tensor, codes: Tensor) -> Tensor:
    return _synthetic(self, rows, rows % 2 == 0, rows % self.table.codes.values)


@contextmanager
def drawn_by_rows() -> Iterator[None]:
    model = "recbole_mmm4rec.model"
    replaced: dict[str, Any] = {
        f"{model}.unisrec.unisrec.keep_mask": kept,
        f"{model}.missrec.missrec.keep_mask": kept,
        f"{model}.hm4sr.hm4sr.some_positions": lambda lengths, width, share: places(lengths, width),
        f"{model}.mmsrec.mmsrec.draw_masks": masks,
        f"{model}.s3rect.s3rect.draw_views": views,
        f"{model}.vqrec.vqrec.VQRec.synthetic": synthetic,
        "torch.randn_like": torch.zeros_like,  # the noise of UniSRec's gates
    }
    with ExitStack() as stack:
        for name, value in replaced.items():
            stack.enter_context(mock.patch(name, value))
        yield


# The comparison ------------------------------------------------------------------------------------------


def outcome(case: Case, rows: int, share: Share) -> tuple[Tensor, dict[str, Tensor]]:
    """This process's part of the loss and of the gradients by parameter."""
    model, data = build(case), batch(rows)[share.start : share.stop]
    torch.manual_seed(3)
    if sharing.generator() is not None:
        sharing.use_generator(torch.Generator().manual_seed(3))
    with drawn_by_rows(), sharing.within(share):
        loss = share.weight * model.calculate_loss(data)
    loss.backward()
    grads = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    return loss.detach(), grads


def work(rank: int) -> dict[tuple[str, int], tuple[Tensor, dict[str, Tensor]]]:
    sharing.use_generator(torch.Generator())
    ends = {}
    for name, case in CASES.items():
        for rows in SIZES:
            loss, grads = outcome(case, rows, Share.of(rows, rank, 2))
            ends[name, rows] = all_reduce(loss), {n: all_reduce(g.contiguous()) for n, g in grads.items()}
    return ends


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    return in_two_processes(work, Path(tmp_path_factory.mktemp("two")))


@pytest.mark.parametrize("rows", SIZES)
@pytest.mark.parametrize("name", CASES)
def test_two_processes_have_the_loss_and_gradients_of_one(two: list[Any], name: str, rows: int) -> None:
    loss, grads = outcome(CASES[name], rows, Share.of(rows, 0, 1))
    assert any(grad.abs().max() > 0 for grad in grads.values()) or rows == 1
    for shared_loss, shared_grads in (end[name, rows] for end in two):
        assert_agrees(shared_loss, loss, "loss", 1e-5, 1.0)
        assert_gradients_agree(shared_grads, grads, 2e-5)
