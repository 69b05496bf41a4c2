"""Any value of any key, in a file or as a flag: a configuration, or one line. Nothing is written."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import strategies as st

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.host.config_checks import documented_keys
from recbole_mmm4rec.host.flags import parse, typed_values
from recbole_mmm4rec.quick_start import run
from tests.fuzzing import Fuzzer, anything, edits, files_under, mutated, tried

MODELS = ("MMM4Rec", "SASRec", "BPR")
KEYS = sorted(set().union(*(documented_keys(model, "tiny") for model in MODELS)) - {"gpu_id", "use_gpu"})


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("form", ["file", "flags"])
def test_any_value_of_any_key(form: str, in_tmp: Path, fuzz: Fuzzer) -> None:
    path = in_tmp / "run.yaml"
    path.touch()
    before = files_under(in_tmp)

    def check(example: tuple[str, dict[str, Any]]) -> None:
        model, values = example
        values = {key: value for key, value in values.items() if form == "file" or "\ud800" not in str(value)}
        if form == "file":
            path.write_text(yaml.safe_dump(values), encoding="utf-8", errors="surrogateescape")
            tried(lambda: RunConfig(model, "tiny", [str(path)]))
        else:
            flags = [f"--{key}={json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
            tried(
                lambda: RunConfig(
                    model, "tiny", config_dict=typed_values(parse(flags), model, "tiny"), origin="flags"
                )
            )
        assert files_under(in_tmp) == before

    values = st.dictionaries(st.sampled_from(KEYS), anything, min_size=1, max_size=2)
    fuzz(check, st.tuples(st.sampled_from(MODELS), values), examples=100)


@pytest.mark.usefixtures("tiny")
def test_a_file_with_bytes_changed(in_tmp: Path, fuzz: Fuzzer) -> None:
    whole = b"topk: [5, 10]\nmetrics: [Recall, NDCG]\nvalid_metric: NDCG@10\nlearning_rate: 1e-3\n"
    whole += (
        b"eval_args:\n  split: {LS: valid_and_test}\n  order: TO\nload_col: {inter: [user_id, item_id]}\n"
    )
    path = in_tmp / "run.yaml"

    def check(changes: list[tuple[int, int, bytes]]) -> None:
        path.write_bytes(mutated(whole, changes))
        tried(lambda: RunConfig("BPR", "tiny", [str(path)]))

    fuzz(check, edits, examples=60)


SLOW = {"epochs", "train_batch_size", "worker", "checkpoint_dir", "data_path", "log_wandb", "wandb_project"}
PLAIN = st.sampled_from([
    "", "a", "item_id", 0, 1, -1, 2, 5, 64, 0.5, -0.5, 1e300, 1e-9, float("nan"), float("inf"), True, False,
    None, [], [1], ["a"], [0.5], ["item_id"], [1, 2, 3], {}, {"a": 1}, {"inter": "*"}, {"item_id": "[0,1]"},
    "[0,inf)",
])  # fmt: skip


@pytest.mark.usefixtures("tiny")
def test_a_run_with_any_value(fuzz: Fuzzer) -> None:
    """What passes the checks of a configuration works, or fails in one line where the data are known."""
    base = {
        "epochs": 1,
        "show_progress": False,
        "topk": [5],
        "metrics": ["Recall"],
        "valid_metric": "Recall@5",
    }

    def check(example: tuple[str, str, Any]) -> None:
        model, key, value = example
        if key in documented_keys(model, "tiny"):
            values = {**base, "use_gpu": False, key: value}
            tried(lambda: run(model, "tiny", config_dict=values, saved=False))

    keys = sorted({*KEYS} - SLOW)
    fuzz(check, st.tuples(st.sampled_from(MODELS), st.sampled_from(keys), PLAIN), examples=80)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("model", "key", "value", "said"),
    [
        ("BPR", "transform", "a", "transform: expected 'mask_itemseq'"),
        ("SASRec", "NEG_PREFIX", -1, "NEG_PREFIX: expected a text"),
        ("MMM4Rec", "ITEM_LIST_LENGTH_FIELD", 1e-9, "ITEM_LIST_LENGTH_FIELD: expected a text"),
        ("BPR", "dataloaders_save_path", 5, "dataloaders_save_path: expected a text"),
        ("MMM4Rec", "dropout_prob", float("nan"), "'dropout_prob' expects a finite number; got nan"),
        ("UniSRec", "attn_dropout_prob", 1e300, "attn_dropout_prob: 1e+300 is not a probability"),
        ("UniSRec", "n_exps", 0, "n_exps: 0 is not above 0"),
        (
            "UniSRec",
            "alias_of_item_id",
            ["a"],
            "UniSRec on 'tiny': cannot be read with these settings (KeyError",
        ),
        ("BPR", "numerical_features", ["item_id"], "BPR on 'tiny': cannot be read with these settings"),
        ("BPR", "train_neg_sample_args", None, "train_neg_sample_args: BPR learns from sampled items"),
        ("NeuMF", "train_neg_sample_args", None, "sampled items (column 'label'), and none are asked for"),
        ("BPR", "train_neg_sample_args", {"sample_num": 0}, "sample_num: expected a number above 0, found 0"),
        ("BPR", "train_neg_sample_args", {"dynamic": "none"}, "dynamic: expected true or false"),
        ("SASRec", "weight_decay", 1e300, "weight_decay: expected a number not above 1e+30"),
        ("BPR", "learning_rate", 1e300, "learning_rate: expected a number not above 1e+30"),
    ],
)
def test_values_that_were_a_traceback(model: str, key: str, value: Any, said: str) -> None:
    with pytest.raises(UserError) as caught:
        run(model, "tiny", config_dict={"epochs": 1, "show_progress": False, key: value}, saved=False)
    assert said in str(caught.value)
