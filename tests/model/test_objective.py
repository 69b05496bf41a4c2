"""Every model with every objective, against the same loss of its scores of all items."""

import importlib
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.catalogue import our_models
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.model.objective import CountsTargets
from recbole_mmm4rec.nn.negatives import NegativeSampler
from recbole_mmm4rec.nn.objectives import SampledObjective
from tests.golden import assert_agrees
from tests.model import builders
from tests.model.builders import dataset as _dataset
from tests.model.test_every_baseline import CROSS_ENTROPY_ALONE, N, batch, build

MODELS = sorted(our_models())
OWN_PRETRAINING = ["MMSRec", "S3RecT", "UniSRec", "VQRec"]
SAMPLING = {"num_negatives": 6, "negatives": "uniform", "shared_negatives": True, "gbce_t": 0.75}
WITHOUT_DRAWS = CROSS_ENTROPY_ALONE | {"seq_seq_weight": 0.0, "n_groups": 2}


def made(name: str, objective: str, **changes: Any) -> Any:
    return build(name, objective=objective, **SAMPLING | WITHOUT_DRAWS | changes).eval()


def with_negatives(model: Any, shared: Tensor) -> Any:
    """The items of a shared sample, or of every target its own, each expected once."""
    model.objective.sampler.shared = lambda count: (shared, torch.zeros(shared.shape))
    model.objective.sampler.beside = lambda targets, count: (after(targets), torch.zeros(len(targets), 6))
    return model


def after(targets: Tensor) -> Tensor:
    """(B,) items -> (B, 6) others."""
    return (targets.unsqueeze(1) - 1 + torch.tensor([1, 2, 5, 11, 20, 30])) % (N - 1) + 1


def compare(model: Any, loss: Tensor, expected: Tensor) -> None:
    assert_agrees(loss, expected, "loss", 1e-5)
    parameters = [p for p in model.parameters() if p.requires_grad]
    pairs = zip(
        torch.autograd.grad(loss, parameters, allow_unused=True),
        torch.autograd.grad(expected, parameters, allow_unused=True),
        strict=True,
    )
    for one, other in pairs:
        one, other = (torch.zeros(1) if grad is None else grad for grad in (one, other))
        torch.testing.assert_close(one.sum(0), other.sum(0), atol=3e-5, rtol=1e-3)


@pytest.mark.parametrize("name", MODELS)
def test_a_sample_of_all_items_is_the_full_cross_entropy(name: str) -> None:
    model, data = with_negatives(made(name, "sampled"), torch.arange(1, N)), batch()
    expected = F.cross_entropy(model.full_sort_predict(data)[:, 1:], data["item_id"] - 1)
    compare(model, model.calculate_loss(data), expected)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_gbce_is_that_of_the_scores(name: str, shared: bool) -> None:
    model, data = made(name, "gbce", shared_negatives=shared), batch()
    targets, sample = data["item_id"], torch.tensor([5, 9, 9, 17, 30, int(data["item_id"][0])])
    negatives = sample.repeat(11, 1) if shared else after(targets)
    kept = negatives != targets.unsqueeze(1)
    scores = model.full_sort_predict(data)
    wrong, right = scores.gather(1, negatives), scores.gather(1, targets.unsqueeze(1)).squeeze(1)
    terms = -F.logsigmoid(-wrong) * kept
    expected = -model.objective.beta * F.logsigmoid(right) + terms.sum(1)
    loss = with_negatives(model, sample).calculate_loss(data)
    compare(model, loss, (expected / (1 + kept.sum(1))).mean())


@pytest.mark.parametrize("name", MODELS)
def test_in_batch_is_that_of_the_scores(name: str) -> None:
    model, data = made(name, "in_batch", mask_equal_items=False), batch()
    scores = model.full_sort_predict(data)[:, data["item_id"]]
    compare(model, model.calculate_loss(data), F.cross_entropy(scores, torch.arange(11)))


@pytest.mark.parametrize("chunk", [0, 7])
@pytest.mark.parametrize("name", MODELS)
def test_smoothed_labels_are_those_of_the_scores(name: str, chunk: int) -> None:
    model, data = made(name, "full", label_smoothing=0.2, softmax_chunk=chunk), batch()
    scores, targets = model.full_sort_predict(data)[:, 1:], data["item_id"] - 1
    compare(model, model.calculate_loss(data), F.cross_entropy(scores, targets, label_smoothing=0.2))
    model = made(name, "in_batch", mask_equal_items=False, label_smoothing=0.2)
    scores = model.full_sort_predict(data)[:, data["item_id"]]
    compare(model, model.calculate_loss(data), F.cross_entropy(scores, torch.arange(11), label_smoothing=0.2))


@pytest.mark.parametrize(
    ("objective", "changes"),
    [("full", {}), ("full", {"softmax_chunk": 7}), ("in_batch", {}), ("sampled", {}), ("gbce", {})],
    ids=str,
)
@pytest.mark.parametrize("name", [name for name in MODELS if name != "MMSRec"])
def test_seen_items_do_not_compete(name: str, objective: str, changes: dict[str, Any]) -> None:
    changes = {"mask_equal_items": False} | changes
    model, data = made(name, objective, mask_seen=True, **changes), batch()
    targets, rows = data["item_id"], torch.arange(len(data["item_id"]))
    data["item_id_list"][0, 0] = targets[0]  # bought before: it is still to be found
    competes = torch.ones(len(rows), N, dtype=torch.bool).scatter(1, data["item_id_list"], False)
    competes[:, 0] = False
    competes[rows, targets] = True
    scores = model.full_sort_predict(data)
    if objective == "full":
        expected = F.cross_entropy(scores.masked_fill(~competes, -torch.inf), targets)
    elif objective == "in_batch":
        expected = F.cross_entropy(scores.masked_fill(~competes, -torch.inf)[:, targets], rows)
    else:
        model = with_negatives(model, torch.arange(1, N))
        others = competes.scatter(1, targets.unsqueeze(1), False)
        right = scores[rows, targets]
        if objective == "sampled":
            expected = F.cross_entropy(scores.masked_fill(~competes, -torch.inf), targets)
        else:
            terms = -model.objective.beta * F.logsigmoid(right) - (F.logsigmoid(-scores) * others).sum(1)
            expected = (terms / (1 + others.sum(1))).mean()
    assert not competes.all()
    compare(model, model.calculate_loss(data), expected)


@pytest.mark.parametrize("objective", ["in_batch", "sampled", "gbce"])
@pytest.mark.parametrize("name", [name for name in MODELS if name not in OWN_PRETRAINING])
def test_pre_training_takes_them_too(name: str, objective: str) -> None:
    model, data = made(name, objective, stage="pretrain"), batch()
    loss = model.calculate_loss(data)
    assert loss.isfinite()
    loss.backward()
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())


@pytest.mark.parametrize("objective", ["in_batch", "sampled", "gbce"])
def test_only_the_items_of_a_step_get_a_vector(objective: str) -> None:
    model, data = made("SASRecT", objective, num_negatives=2), batch(3)
    asked = []
    real = model.item_table
    model.item_table = lambda items=None: asked.append(items) or real(items)
    model.calculate_loss(data)
    (items,) = asked
    assert items is not None
    assert len(items) <= 1 + data["item_id_list"].numel() + 3 + 2


def test_a_step_of_several_batches_needs_no_whole_table() -> None:
    model = made("SASRecT", "sampled")
    with model.shared_item_table():
        model.calculate_loss(batch()).backward()
    assert model.table.adapters["text"].weight.grad.abs().max() > 0


class Counted:
    """A dataset that counts: item n is the target of n samples."""

    def __init__(self, dataset: Any) -> None:
        self.__dict__.update(vars(dataset))

    def target_counts(self) -> Tensor:
        return torch.arange(N)


def test_popularity_comes_from_the_dataset(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = made("SASRecT", "sampled", negatives="popularity")
    assert plain.objective.sampler.weights.tolist() == [0] + [1] * (N - 1), "nothing to count: all alike"
    monkeypatch.setattr("tests.model.builders.dataset", lambda *a, real=_dataset, **k: Counted(real(*a, **k)))
    model = made("SASRecT", "sampled", negatives="popularity")
    assert model.objective.sampler.weights.tolist() == list(range(N))
    uniform = made("SASRecT", "sampled")
    assert uniform.objective.sampler.weights.tolist() == [0] + [1] * (N - 1)
    corrected = made("SASRecT", "in_batch", in_batch_log_q=True)
    assert corrected.objective.counts.tolist() == list(range(N))
    assert made("SASRecT", "in_batch").objective.counts is None


def test_an_item_that_is_never_a_target_is_drawn_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counted, "target_counts", lambda self: torch.zeros(N, dtype=torch.int64))
    monkeypatch.setattr("tests.model.builders.dataset", lambda *a, real=_dataset, **k: Counted(real(*a, **k)))
    model = made("SASRecT", "sampled", negatives="popularity")
    assert model.objective.sampler.weights[1:].min() == 1


def test_the_protocol_is_what_a_dataset_offers() -> None:
    from recbole_mmm4rec.data import MultiModalDataset

    assert isinstance(Counted(_dataset(N)), CountsTargets)
    assert issubclass(MultiModalDataset, CountsTargets)


def test_draws_repeat_with_the_seed() -> None:
    model, data, losses = made("SASRecT", "sampled"), batch(), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        losses.append(model.calculate_loss(data).item())
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_defaults_by_stage() -> None:
    names = [type(build("SASRecT", stage=stage).objective).__name__ for stage in ("finetune", "pretrain")]
    assert names == ["FullCatalogue", "InBatch"]
    assert all(build(name, stage="pretrain").objective is None for name in OWN_PRETRAINING)
    assert isinstance(made("SASRecT", "sampled").objective, SampledObjective)
    assert isinstance(made("SASRecT", "sampled").objective.sampler, NegativeSampler)


REFUSED = [
    ("SASRecT", {"objective": "hinge"}, "objective: 'hinge' is not one of full, in_batch, sampled, gbce"),
    (
        "UniSRec",
        {"objective": "sampled", "stage": "pretrain"},
        "pre-training of UniSRec has its own loss",
    ),
    (
        "VQRec",
        {"in_batch_log_q": True, "stage": "pretrain"},
        "in_batch_log_q: pre-training of VQRec",
    ),
    ("MISSRec", {"objective": "full", "stage": "pretrain"}, "'full' is not one of in_batch, sampled, gbce"),
    ("SASRec", {"objective": "full"}, "unknown key 'objective' for SASRec"),
    ("SASRecT", {"in_batch_log_q": True}, "in_batch_log_q: corrects the objective in_batch, not full"),
    ("SASRecT", {"objective": "sampled", "negatives": "rare"}, "'rare' is not one of uniform, popularity"),
    ("SASRecT", {"objective": "sampled", "num_negatives": 0}, "num_negatives: 0 is not above 0"),
    ("SASRecT", {"objective": "gbce", "negatives": "popularity"}, "gbce is calibrated for uniform negatives"),
    ("SASRecT", {"objective": "gbce", "gbce_t": 1.5}, "gbce_t: 1.5 is not from 0 to 1"),
    ("SASRecT", {"label_smoothing": 1.0}, "label_smoothing: 1.0 is not from 0 to below 1"),
    ("SASRecT", {"label_smoothing": -0.1}, "label_smoothing: -0.1 is not from 0 to below 1"),
    ("SASRecT", {"objective": "gbce", "label_smoothing": 0.1}, "full and in_batch, not gbce"),
    (
        "UniSRec",
        {"stage": "pretrain", "label_smoothing": 0.1},
        "label_smoothing: UniSRec has its own loss",
    ),
    ("SASRec", {"label_smoothing": 0.1}, "unknown key 'label_smoothing' for SASRec"),
    ("MMSRec", {"mask_seen": True}, "mask_seen: MMSRec guesses items within a history"),
    ("VQRec", {"mask_seen": True, "stage": "pretrain"}, "mask_seen: pre-training of VQRec"),
    ("SASRecT", {"mask_seen": True, "label_smoothing": 0.1}, "label_smoothing: 0.1 does not allow that"),
    ("SASRecT", {"mask_seen": True, "pad_is_candidate": True}, "pad_is_candidate: True does not allow that"),
]


@pytest.mark.parametrize(("model", "values", "message"), REFUSED)
def test_what_makes_no_sense_is_refused_before_any_data_is_read(
    in_tmp: Any,
    model: str,
    values: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        RunConfig(model, "ml-100k", config_dict=values)
    assert "\n" not in str(caught.value)


def test_the_released_s3rec_counts_its_mask_token_among_all_items() -> None:
    with pytest.raises(UserError, match="mask_is_candidate: True needs the objective full, not sampled"):
        build("S3RecT", "reference", objective="sampled", **SAMPLING)
    assert type(build("S3RecT", "reference").objective).__name__ == "FullCatalogue"
    assert build("S3RecT", "reference", stage="pretrain").objective is None


def test_one_item_gives_nothing_to_draw() -> None:
    model_class = importlib.import_module(our_models()["M3Rec"]).M3Rec
    config = builders.settings("M3Rec", objective="sampled", **SAMPLING)
    features = {"text": builders.feature(torch.randn(2, 3))}
    with pytest.raises(UserError, match="objective: sampled: negatives need at least two items"):
        model_class(config, builders.dataset(2, **features))


@pytest.mark.parametrize("objective", ["full", "in_batch"])
def test_popular_negatives_of_an_objective_that_draws_none_are_refused(objective: str) -> None:
    with pytest.raises(UserError, match=f"negatives: the objective {objective} draws none"):
        build("SASRecT", objective=objective, negatives="popularity")
