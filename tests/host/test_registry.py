"""RecBole finds our models by name, and its own as before."""

import importlib
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest
import recbole.data.dataset
import recbole.trainer
import torch
import yaml
from recbole.config import Config
from recbole.trainer import HyperTuning
from recbole.utils import get_model, get_trainer

from recbole_mmm4rec import load_data_and_model, register
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.catalogue import (
    ORIGINAL,
    anomaly_mode_kept,
    find_model,
    is_ours,
    our_models,
    recbole_models,
)
from recbole_mmm4rec.host.fast_models import FAST
from recbole_mmm4rec.host.mended_models import MENDED
from recbole_mmm4rec.host.registry import HOST_PACKAGE, ModelFinder
from tests.conftest import SMALL


@pytest.fixture(scope="module")
def quick_start() -> ModuleType:
    """RecBole's own, which imports Ray."""
    return pytest.importorskip("recbole.quick_start", reason="RecBole's quick_start needs Ray")


def test_every_model_of_ours_is_found_by_name() -> None:
    assert "MMM4Rec" in our_models()
    for name, module in our_models().items():
        with anomaly_mode_kept():  # for the tests that follow
            found = get_model(name)
        assert found is getattr(importlib.import_module(module), name)
        assert find_spec(f"{HOST_PACKAGE}.{name.lower()}") is not None


def test_names_of_ours_are_not_names_of_recbole() -> None:
    assert not {name.lower() for name in our_models()} & {name.lower() for name in recbole_models()}


def test_recbole_models_are_unchanged() -> None:
    for name in ("NARM", "BPR", "KGAT", "DeepFM"):
        assert name in recbole_models()
        assert find_model(name).__module__.startswith("recbole.")


def test_a_replaced_model_has_its_name_and_is_still_recboles() -> None:
    for name, replaced in (MENDED | FAST).items():
        assert name in recbole_models()
        assert find_model(name) is replaced
        assert replaced.__name__ == name
        assert issubclass(replaced, get_model(name))
        assert not is_ours(replaced)
        assert get_model(name).__module__.startswith("recbole.")


def test_recboles_own_code_is_there_on_demand_but_for_what_is_mended() -> None:
    for name in FAST:
        assert find_model(name, ORIGINAL) is get_model(name)
    for name, mended in MENDED.items():
        assert find_model(name, ORIGINAL) is mended


@pytest.mark.parametrize(
    ("name", "suggestion"), [("MMM3Rec", "MMM4Rec"), ("sasrec", "SASRec"), ("GRURec", "GRU4Rec")]
)
def test_an_unknown_model_names_near_ones(name: str, suggestion: str) -> None:
    with pytest.raises(UserError, match=f"unknown model '{name}'.*{suggestion}"):
        find_model(name)


def test_a_model_whose_package_is_missing_says_so() -> None:
    if find_spec("xgboost"):
        pytest.skip("xgboost is installed")
    with pytest.raises(UserError, match="model 'xgboost' needs the package"):
        find_model("xgboost")


def test_dataset_and_trainer_are_found_for_our_models_alone() -> None:
    assert recbole.data.dataset.MMM4RecDataset.__name__ == "MultiModalDataset"
    assert get_trainer(None, "MMM4Rec").__name__ == "MultiModalTrainer"
    assert get_trainer(None, "SASRec") is recbole.trainer.Trainer
    assert not hasattr(recbole.data.dataset, "SASRecDataset")
    assert not hasattr(recbole.trainer, "NoSuchTrainer")


def test_registering_again_changes_nothing() -> None:
    get_model("MMM4Rec")
    load, finders = Config._load_internal_config_dict, list(sys.meta_path)
    register()
    get_model("MMM4Rec")
    assert Config._load_internal_config_dict is load
    assert sys.meta_path == finders
    assert sum(isinstance(finder, ModelFinder) for finder in finders) == 1


def test_importing_the_package_imports_neither_torch_nor_recbole() -> None:
    code = "import sys, recbole_mmm4rec; sys.exit(bool({'torch', 'recbole', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("first", ["recbole.trainer", "recbole_mmm4rec"])
def test_it_plugs_in_before_and_after_recbole(first: str) -> None:
    code = (
        f"import {first}, recbole_mmm4rec\n"
        "from recbole.utils import get_model\n"
        "from recbole.config import Config\n"
        "assert not hasattr(Config._load_internal_config_dict, '__wrapped__')\n"
        "get_model('MMM4Rec')\n"
        "assert hasattr(Config._load_internal_config_dict, '__wrapped__')\n"
    )
    subprocess.run([sys.executable, "-W", "error::ImportWarning", "-c", code], check=True)


UNTOUCHED = """
import inspect, types
import recbole.trainer.trainer, recbole.data.utils, recbole.config
import recbole.model.abstract_recommender as recommenders
import recbole_mmm4rec

def parts():
    for module in (recbole.trainer.trainer, recbole.data.utils, recommenders, recbole.config.configurator):
        for name, value in vars(module).items():
            yield (module.__name__, name), value
            if inspect.isclass(value) and value.__module__ == module.__name__:
                for method, function in vars(value).items():
                    if isinstance(function, types.FunctionType):
                        yield (module.__name__, name, method), function.__code__

before = dict(parts())
recbole_mmm4rec.run("BPR", "demo-shop", config_dict={"epochs": 1, "show_progress": False})
recbole_mmm4rec.run("SASRec", "demo-shop", config_dict={"epochs": 1, "show_progress": False})
after = dict(parts())
changed = [key for key in before if before[key] is not after.get(key)]
assert not changed, changed
"""


def test_runs_of_ours_replace_nothing_in_recbole(in_tmp: Path) -> None:
    subprocess.run([sys.executable, "-c", UNTOUCHED], check=True, cwd=in_tmp)


@pytest.mark.usefixtures("tiny")
def test_recbole_runs_ours_and_loads_it_again(in_tmp: Path, quick_start: ModuleType) -> None:
    result = quick_start.run_recbole(model="MMM4Rec", dataset="tiny", config_dict=dict(SMALL))
    assert set(result["test_result"]) >= {"recall@10", "ndcg@10", "mrr@50"}
    best = next(path for path in (in_tmp / "saved").glob("MMM4Rec-*.pth") if "last" not in path.name)
    config, model, dataset, _, _, test_data = load_data_and_model(str(best))
    assert (config["model"], dataset.dataset_name) == ("MMM4Rec", "tiny")
    stored = torch.load(best, weights_only=True)["state_dict"]
    assert all(torch.equal(model.state_dict()[name], value) for name, value in stored.items())
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
    assert trainer.evaluate(test_data, load_best_model=False) == result["test_result"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"positions": "all", "use_time": False}, "positions: all is for recbole_mmm4rec.run"),
        ({"rank_seen": False}, "rank_seen: False is for recbole_mmm4rec.run"),
        ({"pretrained": "a.pth"}, "pretrained: a.pth is for recbole_mmm4rec.run"),
        ({"resume": "a.pth"}, "resume: a.pth is for recbole_mmm4rec.run"),
        ({"temperature": 0.5, "dropout_prob": 1.5}, "dropout_prob: 1.5 is not a probability"),
        ({"objective": "guess"}, "objective: 'guess' is not one of"),
    ],
)
def test_recboles_own_configuration_refuses_what_it_would_ignore(
    tiny: Path, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        Config("MMM4Rec", "tiny", config_dict={"data_path": str(tiny.parent), **changes})


def test_recboles_own_stopping_step_is_followed(tiny: Path) -> None:
    given = {"data_path": str(tiny.parent), "stopping_step": 3}
    assert Config("MMM4Rec", "tiny", config_dict=given)["patience"] == 4


def test_recbole_keeps_its_own_settings_for_its_models(tiny: Path) -> None:
    config = Config("BPR", "tiny", config_dict={"data_path": str(tiny.parent)})
    assert (config["topk"], config["valid_metric"], config["stopping_step"]) == ([10], "MRR@10", 10)
    assert config["MAX_ITEM_LIST_LENGTH"] == 50
    assert config["eval_args"]["split"] == {"RS": [0.8, 0.1, 0.1]}
    assert "dataset_example" in Config("BPR", "ml-100k")["data_path"]


@pytest.mark.usefixtures("tiny")
def test_hyper_tuning_accepts_ours(in_tmp: Path, quick_start: ModuleType) -> None:
    pytest.importorskip("hyperopt", reason="hyperopt is not installed")
    (in_tmp / "run.yaml").write_text(yaml.safe_dump({"model": "MMM4Rec", "dataset": "tiny", **SMALL}))
    space = {"choice": {"dropout_prob": [0.1, 0.5]}}
    tuning = HyperTuning(
        quick_start.objective_function,
        params_dict=space,
        fixed_config_file_list=["run.yaml"],
        algo="exhaustive",
    )
    tuning.run()
    assert len(tuning.params2result) == 2
    assert all("recall@10" in result["test_result"] for result in tuning.params2result.values())


def test_importing_sine_does_not_slow_the_process_down() -> None:
    program = (
        "import sys, torch\n"
        "from recbole_mmm4rec.host.catalogue import find_model\n"
        "find_model('GRU4Rec')\n"
        "assert 'recbole.model.sequential_recommender.sine' in sys.modules\n"
        "assert not torch.is_anomaly_enabled()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
