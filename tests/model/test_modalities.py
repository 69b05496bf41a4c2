"""A modality is a name: models take those of any names, and say so where they take fewer."""

import importlib
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.catalogue import our_models
from recbole_mmm4rec.model.mmm4rec import MMM4Rec
from tests.golden import assert_agrees
from tests.model import builders
from tests.model.test_every_baseline import CROSS_ENTROPY_ALONE, LENGTH, SMALL, N, batch

TWO = ["MISSRec", "MMM4Rec", "MMSRec"]
ANY = ["HM4SR", "M3Rec"]
ONE = ["FDSAT", "Mamba4RecT", "SASRecT", "TiM4RecT", "UniSRec", "VQRec", "ZESRec"]
SIZES = SMALL | CROSS_ENTROPY_ALONE | {"n_groups": 2}


def matrices() -> dict[str, Any]:
    """Every other item has audio, a third has a picture."""
    generator = torch.Generator().manual_seed(0)

    def made(width: int, present: Any) -> SimpleNamespace:
        return builders.feature(torch.randn(N, width, generator=generator), present)

    numbers = torch.arange(N)
    return {
        "text": made(12, numbers > 3),
        "image": made(10, numbers % 3 == 1),
        "audio": made(6, numbers % 2 == 1),
    }


def build(name: str, modalities: list[str] | None, features: dict[str, Any], **changes: Any) -> Any:
    model_class = getattr(importlib.import_module(our_models()[name]), name)
    values = SIZES | {"MAX_ITEM_LIST_LENGTH": LENGTH, "modalities": modalities} | changes
    torch.manual_seed(0)
    return model_class(builders.settings(name, **values), builders.dataset(N, **features)).eval()


@pytest.mark.parametrize("name", [*TWO, *ANY])
def test_audio_is_to_a_model_what_the_same_numbers_are_as_pictures(name: str) -> None:
    every = matrices()
    pictures = build(name, ["text", "image"], {"text": every["text"], "image": every["image"]})
    audio = build(name, ["text", "audio"], {"text": every["text"], "audio": every["image"]})
    assert list(audio.feature_facts) == ["text", "audio"]
    data = batch()
    assert_agrees(audio.full_sort_predict(data), pictures.full_sort_predict(data), "scores", 1e-6)
    assert_agrees(audio.calculate_loss(data), pictures.calculate_loss(data), "loss", 1e-6)


@pytest.mark.parametrize("name", ONE)
def test_models_of_texts_take_one_modality_of_any_name(name: str) -> None:
    every = matrices()
    text = build(name, None, {"text": every["text"], "image": every["image"]})
    assert list(text.feature_facts) == ["text"]
    audio = build(name, ["audio"], {"audio": every["text"]})
    assert list(audio.feature_facts) == ["audio"]
    data = batch()
    assert_agrees(audio.full_sort_predict(data), text.full_sort_predict(data), "scores", 1e-6)


@pytest.mark.parametrize("stage", ["finetune", "pretrain"])
@pytest.mark.parametrize("name", ANY)
def test_three_modalities_are_all_read(name: str, stage: str) -> None:
    every = matrices()
    model = build(name, ["audio", "image", "text"], every, stage=stage)
    assert model.streams == ("id", "text", "image", "audio")
    data = batch()
    model.calculate_loss(data).backward()
    scores = model.full_sort_predict(data)
    for modality in every:
        assert all(p.grad.abs().max() > 0 for p in model.table.adapters[modality].parameters()), modality
        other = every | {modality: builders.feature(every[modality].matrix + 1, every[modality].present)}
        changed = build(name, ["audio", "image", "text"], other, stage=stage)
        assert (changed.full_sort_predict(data) - scores).abs().max() > 1e-4, modality


def test_further_streams_start_with_the_last_weight_or_their_own() -> None:
    named, data = ["text", "image", "audio"], batch()
    default = build("HM4SR", named, matrices(), interaction_weights=[0, 1, 2])
    own = build("HM4SR", named, matrices(), interaction_weights=[0, 1, 2, 2])
    assert_agrees(default.full_sort_predict(data), own.full_sort_predict(data), "scores", 1e-6)
    with pytest.raises(UserError, match=r"interaction_weights: .* are not numbers for id, text and image"):
        build("HM4SR", named, matrices(), interaction_weights=[0, 1, 2, 2, 2])


@pytest.mark.parametrize("name", TWO)
def test_a_third_modality_is_refused_in_one_line(name: str) -> None:
    message = f'modalities: {name} takes at most 2, not "text", "image", "audio"'
    with pytest.raises(UserError, match=message) as caught:
        build(name, ["text", "image", "audio"], matrices())
    assert "\n" not in str(caught.value)
    assert list(build(name, None, matrices()).feature_facts) == ["text", "image"]


def test_a_model_derived_for_three_does_not_lose_the_one_in_the_middle() -> None:
    class Wider(MMM4Rec):
        modalities = ("text", "image", "audio")

    config = builders.settings("MMM4Rec", **SIZES, MAX_ITEM_LIST_LENGTH=LENGTH)
    with pytest.raises(UserError, match="modalities: Wider takes at most 2"):
        Wider(config, builders.dataset(N, **matrices()))


def test_one_modality_of_another_name_is_enough() -> None:
    every, data = matrices(), batch()
    alone = build("MMM4Rec", ["audio"], {"audio": every["text"]})
    text = build("MMM4Rec", None, {"text": every["text"]})
    assert_agrees(alone.full_sort_predict(data), text.full_sort_predict(data), "scores", 1e-6)


@pytest.mark.parametrize("name", ["MMM4Rec", "SASRecT"])
def test_a_file_of_another_name_is_not_used_by_itself(name: str) -> None:
    with pytest.raises(UserError, match=rf"{name} needs .*none\.text\.parquet"):
        build(name, None, {"audio": matrices()["audio"]})
