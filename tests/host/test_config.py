"""Layers of properties, and what bad input gets."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import recbole_mmm4rec
from recbole_mmm4rec.cluster.place import Place
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host import config as config_module
from recbole_mmm4rec.host.config import RunConfig, restore_config
from recbole_mmm4rec.host.config_checks import RUN_KEYS, accepted_types, documented_keys, fits
from recbole_mmm4rec.host.property_files import (
    COMMENT,
    KEY_LINE,
    Key,
    properties_path,
    read_keys,
    read_properties,
)
from recbole_mmm4rec.training.plain import DERIVED_KEYS, plain_config

BENCHMARKS = properties_path() / "benchmark"
"""Files that list runs; they hold values of keys that are explained elsewhere."""
PROPERTY_FILES = sorted(path for path in properties_path().rglob("*.yaml") if path.parent != BENCHMARKS)


def config_of(model: str = "SASRec", **values: Any) -> RunConfig:
    return RunConfig(model, "tiny", config_dict=values)


@pytest.mark.parametrize("path", PROPERTY_FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_key_has_type_and_meaning_beside_it(path: Path) -> None:
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        match = KEY_LINE.match(line)
        if match:
            comment = COMMENT.search(match["rest"])
            assert comment, f"{path.name}:{number} has no comment '# (type) meaning'"
            assert comment["meaning"]
            assert accepted_types(comment["types"]), f"{path.name}:{number}: type '{comment['types']}'"


@pytest.mark.parametrize("path", PROPERTY_FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_defaults_have_the_type_beside_them(path: Path) -> None:
    for key in read_keys(path).values():
        assert key.default is None or isinstance(key.default, accepted_types(key.types)), key


def test_every_key_the_package_reads_is_documented() -> None:
    package = Path(recbole_mmm4rec.__file__).parent
    sources = "".join(path.read_text() for path in package.rglob("*.py"))
    read = set(re.findall(r"config\[[\"'](\w+)[\"']\]", sources))
    documented = {name for path in PROPERTY_FILES for name in read_keys(path)}
    recbole = {key for model in ("MMM4Rec", "SASRec") for key in documented_keys(model, "ml-100k")}
    recbole |= {"encoding", "reg_weight"}
    assert not read - documented - recbole - RUN_KEYS - DERIVED_KEYS


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("model", ["MMM4Rec", "SASRec", "BPR", "DeepFM", "DIN"])
def test_all_models_share_splits_and_metrics(model: str) -> None:
    config = config_of(model)
    assert config["metrics"] == ["Recall", "NDCG", "MRR"]
    assert config["topk"] == [10, 20, 50]
    assert config["valid_metric"] == "NDCG@10"
    assert config["MAX_ITEM_LIST_LENGTH"] == 20
    assert config["eval_args"]["split"] == {"LS": "valid_and_test"}
    assert config["eval_args"]["order"] == "TO"
    assert config["eval_args"]["mode"] == {"valid": "full", "test": "full"}


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("model", ["MMM4Rec", "BPR"])
def test_a_part_of_eval_args_leaves_the_rest(model: str) -> None:
    """RecBole would fill it up with a random split in a random order."""
    rest = {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user"}
    assert config_of(model, eval_args={"mode": "uni100"})["eval_args"] == rest | {
        "mode": {"valid": "uni100", "test": "uni100"}
    }
    shares = config_of(model, eval_args={"split": {"RS": [8, 1, 1]}})["eval_args"]
    assert (shares["split"], shares["order"]) == ({"RS": [8, 1, 1]}, "TO")


@pytest.mark.usefixtures("tiny")
def test_ratings_without_candidates_give_no_ranking() -> None:
    with pytest.raises(UserError, match="mode: labeled ranks nothing, so it gives no Recall, NDCG"):
        config_of("BPR", eval_args={"mode": "labeled"})


@pytest.mark.usefixtures("tiny")
def test_later_layers_win(in_tmp: Path) -> None:
    (in_tmp / "a.yaml").write_text("learning_rate: 0.5\nepochs: 7\nseed: 1\n")
    (in_tmp / "b.yaml").write_text("epochs: 8\nseed: 2\n")
    config = RunConfig("SASRec", "tiny", ["a.yaml", "b.yaml"], {"seed": 3})
    assert (config["learning_rate"], config["epochs"], config["seed"]) == (0.5, 8, 3)


@pytest.mark.usefixtures("tiny")
def test_every_fidelity_is_a_layer_above_the_last_and_below_the_user(in_tmp: Path) -> None:
    own, repaired, reference = (
        read_properties(properties_path() / folder / "MMM4Rec.yaml")
        for folder in ("model", "repaired", "reference")
    )
    layers = {"improved": {}, "repaired": repaired, "reference": repaired | reference}
    assert config_of("MMM4Rec")["fidelity"] == "improved"
    for fidelity, layer in layers.items():
        config, expected = config_of("MMM4Rec", fidelity=fidelity), own | layer | {"fidelity": fidelity}
        assert {key: config[key] for key in expected} == expected
    (in_tmp / "a.yaml").write_text("fidelity: reference\nskip: x\n")
    mixed = RunConfig("MMM4Rec", "tiny", ["a.yaml"], {"hidden_size": 32})
    assert (mixed["skip"], mixed["hidden_size"], mixed["d_state"]) == ("x", 32, repaired["d_state"])


@pytest.mark.usefixtures("tiny")
def test_repaired_changes_what_it_says_and_nothing_else() -> None:
    repaired = read_properties(properties_path() / "repaired" / "MMM4Rec.yaml")
    by_default, chosen = config_of("MMM4Rec"), config_of("MMM4Rec", fidelity="repaired")
    changed = {key for key in by_default.final_config_dict if by_default[key] != chosen[key]}
    assert changed == {"fidelity", *repaired}


@pytest.mark.usefixtures("tiny")
def test_other_models_are_as_their_papers_by_default() -> None:
    own = read_properties(properties_path() / "model" / "SASRecT.yaml")
    config = config_of("SASRecT")
    assert {key: config[key] for key in own} == own
    assert config["fidelity"] == "repaired"


@pytest.mark.usefixtures("tiny")
def test_improved_is_refused_where_there_is_nothing_to_improve() -> None:
    with pytest.raises(UserError, match="fidelity: improved: SASRecT has none, only MMM4Rec"):
        config_of("SASRecT", fidelity="improved")


@pytest.mark.usefixtures("tiny")
def test_patience_is_one_more_than_stopping_step() -> None:
    assert config_of(patience=4)["stopping_step"] == 3
    assert config_of()["stopping_step"] == config_of()["patience"] - 1
    both = config_of(stopping_step=5, patience=2)
    assert (both["stopping_step"], both["patience"]) == (5, 6)


@pytest.mark.usefixtures("tiny")
def test_negatives_are_dropped_for_cross_entropy_alone() -> None:
    assert config_of("SASRec")["train_neg_sample_args"]["distribution"] == "none"
    assert config_of("SASRec", loss_type="BPR")["train_neg_sample_args"]["distribution"] == "uniform"
    assert config_of("BPR")["train_neg_sample_args"]["sample_num"] == 1
    with pytest.raises(UserError, match="train_neg_sample_args"):
        config_of("SASRec", train_neg_sample_args={"distribution": "uniform", "sample_num": 1})


@pytest.mark.usefixtures("tiny")
def test_context_models_sample_negatives_unless_labels_are_wanted() -> None:
    assert config_of("DeepFM")["train_neg_sample_args"]["sample_num"] == 1
    labelled = config_of("DeepFM", threshold={"rating": 4})
    assert labelled["train_neg_sample_args"]["distribution"] == "none"


def test_a_configuration_writes_nothing(in_tmp: Path) -> None:
    config = RunConfig("BPR", "ml-100k")
    assert config["data_path"] == "atomic_data/ml-100k"
    assert not list(in_tmp.iterdir())


@pytest.mark.usefixtures("tiny")
def test_an_unknown_dataset_names_those_that_exist() -> None:
    message = r"no dataset 'tinny' in 'atomic_data': there is tiny.*demo-shop.*did you mean tiny"
    with pytest.raises(UserError, match=message):
        RunConfig("BPR", "tinny")
    with pytest.raises(UserError, match="the folder holds none"):
        RunConfig("BPR", "tiny", config_dict={"data_path": "nowhere"})


@pytest.mark.usefixtures("tiny")
def test_an_unknown_key_names_its_source_and_the_nearest_key(in_tmp: Path) -> None:
    (in_tmp / "mine.yaml").write_text("topk: [5]\nlearnin_rate: 0.1\n")
    with pytest.raises(UserError, match=r"mine.yaml: unknown key 'learnin_rate'.*'learning_rate'"):
        RunConfig("SASRec", "tiny", ["mine.yaml"])
    with pytest.raises(UserError, match=r"config_dict: unknown key 'modality'.*'modalities'"):
        config_of("MMM4Rec", modality="text")
    with pytest.raises(UserError, match="unknown key 'd_state' for SASRec"):
        config_of("SASRec", d_state=8)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("metrics", 3, r"'metrics' expects \(list or str\)"),
        ("modalities", 3, r"'modalities' expects \(list of str\)"),
        ("epochs", "many", r"'epochs' expects \(int\) \w+"),
        ("epochs", 2.5, "'epochs' expects"),
        ("epochs", True, "'epochs' expects"),
        ("learning_rate", None, r"'learning_rate' expects \(float\)"),
        ("eval_args", [1], r"'eval_args' expects \(dict\)"),
        ("data_path", ["a"], r"'data_path' expects \(str\)"),
    ],
)
def test_a_wrong_type_is_refused(key: str, value: Any, expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        config_of("SASRec", **{key: value})


@pytest.mark.parametrize(
    ("types", "default", "value", "fine"),
    [
        ("int", 1, 2, True),
        ("int", 1, "2", False),
        ("float", 0.1, 1, True),
        ("str or None", None, None, True),
        ("list or int or None", [1], 3, True),
        ("some words", 1, [], True),
        ("int", 0.5, 0.25, True),
        ("bool", True, 1, False),
        ("dict", {}, None, True),
    ],
)
def test_types_of_comments(types: str, default: Any, value: Any, fine: bool) -> None:
    assert fits(value, Key("key", default, types, "")) is fine


@pytest.mark.usefixtures("tiny")
def test_bad_config_files_are_one_line(in_tmp: Path) -> None:
    with pytest.raises(UserError, match=r"config file 'none.yaml' does not exist"):
        RunConfig("SASRec", "tiny", ["none.yaml"])
    (in_tmp / "broken.yaml").write_text("a: [1\nb: 2\n")
    with pytest.raises(UserError, match=r"broken.yaml: not readable as YAML \(line 2"):
        RunConfig("SASRec", "tiny", ["broken.yaml"])
    (in_tmp / "list.yaml").write_text("- 1\n")
    with pytest.raises(UserError, match=r"list.yaml: expected lines of 'key: value'"):
        RunConfig("SASRec", "tiny", ["list.yaml"])
    (in_tmp / "code.yaml").write_text("seed: !!python/object/apply:os.getpid []\n")
    with pytest.raises(UserError, match=r"code.yaml: not readable"):
        RunConfig("SASRec", "tiny", ["code.yaml"])
    (in_tmp / "empty.yaml").write_text("# nothing\n")
    assert RunConfig("SASRec", "tiny", ["empty.yaml"])["model"] == "SASRec"


@pytest.mark.usefixtures("tiny")
def test_what_recbole_refuses_is_one_line() -> None:
    for values in ({"metrics": ["Nonsense"]}, {"topk": [0]}, {"eval_args": {"mode": "nonsense"}}):
        with pytest.raises(UserError) as error:
            config_of("SASRec", **values)
        assert "\n" not in str(error.value)


@pytest.mark.usefixtures("tiny")
def test_model_and_dataset_may_stand_in_a_file(in_tmp: Path) -> None:
    (in_tmp / "run.yaml").write_text("model: GRU4Rec\ndataset: tiny\n")
    config = RunConfig(config_file_list=["run.yaml"])
    assert (config["model"], config["dataset"]) == ("GRU4Rec", "tiny")


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("model", ["MMM4Rec", "SASRec", "BPR"])
def test_plain_settings_restore_the_run(model: str) -> None:
    config = config_of(model, seed=7, epochs=3)
    once = plain_config(config.final_config_dict)
    stored = json.loads(json.dumps(once))
    restored = restore_config(stored)
    again = plain_config(restored.final_config_dict)
    assert again == once
    assert plain_config(stored) == stored
    assert restored["data_path"] == config["data_path"]
    assert restored["train_neg_sample_args"] == config["train_neg_sample_args"]
    assert restored["stopping_step"] == config["stopping_step"]


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("values", [{"topk": [5]}, {"valid_metric": "NDCG@7"}, {"metrics": ["Recall"]}])
def test_a_validation_metric_that_no_evaluation_gives_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"valid_metric: NDCG@.* is not one of metrics x topk: recall@"):
        RunConfig("SASRec", "tiny", config_dict=values)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("train_batch_size", 0, "is not above 0"),
        ("eval_batch_size", -1, "is not above 0"),
        ("learning_rate", -0.1, "is not above 0"),
        ("MAX_ITEM_LIST_LENGTH", 0, "is not above 0"),
        ("epochs", -1, "is below 0"),
        ("seed", -1, "is not from 0"),
    ],
)
def test_a_size_or_rate_without_sense_is_refused(key: str, value: float, expected: str) -> None:
    with pytest.raises(UserError, match=f"{key}: {value} {expected}"):
        RunConfig("SASRec", "tiny", config_dict={key: value})


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("values", [{"foo": 1}, {"norm_type": 2}, {"max_norm": 1.0, "parameters": 1}])
def test_clipping_that_torch_does_not_take_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"clip_grad_norm: .* it holds max_norm, and norm_type"):
        RunConfig("SASRec", "tiny", config_dict={"clip_grad_norm": values})


@pytest.mark.usefixtures("tiny")
def test_another_loss_is_refused_where_a_model_has_its_own() -> None:
    with pytest.raises(UserError, match="loss_type: MMM4Rec has CE, cross-entropy; got BPR"):
        RunConfig("MMM4Rec", "tiny", config_dict={"loss_type": "BPR"})
    assert RunConfig("SASRec", "tiny", config_dict={"loss_type": "BPR"})["loss_type"] == "BPR"


@pytest.mark.usefixtures("tiny")
def test_the_configuration_follows_what_the_process_has_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(3, 4, 1, "second host", "127.0.0.1", 29500, False)
    monkeypatch.setattr(config_module, "group", lambda: SimpleNamespace(place=place))
    config = RunConfig("BPR", "tiny", config_dict={"use_gpu": False})
    assert (config["local_rank"], config["world_size"], config["single_spec"]) == (1, 4, False)
    assert (str(config["device"]), config["show_progress"]) == ("cpu", False)
    for model in ("Pop", "ItemKNN"):
        with pytest.raises(UserError, match=f"{model}: is not trained by gradients, and so by one process"):
            RunConfig(model, "tiny")
    shared_out = "category_index: 'sample' reads whole batches, which several processes share out"
    with pytest.raises(UserError, match=shared_out):
        RunConfig("HM4SR", "tiny", config_dict={"fidelity": "reference", "use_gpu": False})
    RunConfig("HM4SR", "tiny", config_dict={"use_gpu": False})
