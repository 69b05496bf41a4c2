"""Property files, reference settings and search spaces of every model say the same keys."""

from pathlib import Path

import pytest

from recbole_mmm4rec.host.catalogue import our_models
from recbole_mmm4rec.host.property_files import properties_path, read_keys

ROOT = properties_path()
MODELS = sorted(our_models())
SHARED = ROOT / "overall.yaml"


@pytest.mark.parametrize("model", MODELS)
def test_every_key_has_a_type_and_a_meaning(model: str) -> None:
    for folder in ("model", "reference"):
        keys = read_keys(ROOT / folder / f"{model}.yaml")
        assert keys
        assert not [name for name, key in keys.items() if not key.types or not key.meaning.endswith(".")]


@pytest.mark.parametrize("model", MODELS)
def test_reference_settings_change_known_keys_to_other_values(model: str) -> None:
    keys = read_keys(ROOT / "shared.yaml") | read_keys(ROOT / "model" / f"{model}.yaml")
    for name, key in read_keys(ROOT / "reference" / f"{model}.yaml").items():
        assert name in keys, f"{name} is not a key of {model}"
        assert key.types == keys[name].types
        if model != "MMM4Rec":
            assert key.default != keys[name].default, f"{name} is the same in both"


@pytest.mark.parametrize("path", sorted((ROOT / "hyper").glob("*.hyper")), ids=lambda path: path.stem)
def test_search_spaces_are_over_known_keys(path: Path) -> None:
    model = ROOT / "model" / f"{path.stem}.yaml"
    if not model.is_file():
        pytest.skip(f"{path.stem} is RecBole's own: its keys are in RecBole's files")
    for line in path.read_text().splitlines():
        name, kind, values = line.split(" ", 2)
        assert name in read_keys(model), name
        assert kind == "choice"
        assert values.startswith("[")
        assert values.endswith("]")


@pytest.mark.parametrize("model", MODELS)
def test_a_key_that_models_share_is_written_once(model: str) -> None:
    shared = read_keys(ROOT / "shared.yaml")
    for name, key in read_keys(ROOT / "model" / f"{model}.yaml").items():
        assert name not in shared or key.default != shared[name].default, name


def test_every_model_has_a_search_space() -> None:
    assert not [
        model for model in MODELS if not (ROOT / "hyper" / f"{model}.hyper").is_file() and model != "MMM4Rec"
    ]


@pytest.mark.parametrize("model", [model for model in MODELS if model != "MMM4Rec"])
def test_every_value_that_is_no_mere_choice_names_its_source(model: str) -> None:
    """Sizes, rates and dropouts come from a paper or a configuration, and the line says which."""
    for name, key in read_keys(ROOT / "model" / f"{model}.yaml").items():
        if name in {"hidden_size", "learning_rate", "train_batch_size"} or name.endswith("dropout_prob"):
            assert "(" in key.meaning, f"{model}: {name}"
