"""Any value of any key, in a file or as a flag: a configuration, or one line. Nothing is written."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import strategies as st

from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.host.config_checks import documented_keys
from recbole_mmm4rec.host.flags import parse, typed_values
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
