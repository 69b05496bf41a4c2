"""Plans of small runs on the tiny data set."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from recbole_mmm4rec.benchmark.expansion import Expansion
from recbole_mmm4rec.benchmark.run_plan import RunPlan
from recbole_mmm4rec.benchmark.spec import Benchmark, read_benchmark
from tests.conftest import SMALL

SIZES = ("hidden_size", "inner_size", "head_dim", "d_state", "n_groups")
COMMON = {key: value for key, value in SMALL.items() if key not in SIZES} | {"epochs": 3, "topk": [5, 10]}
OURS = {"model": "MMM4Rec"} | {key: SMALL[key] for key in SIZES}
SASREC = {"model": "SASRec", "hidden_size": 16}

MakePlans = Callable[..., list[RunPlan]]


@pytest.fixture
def make_benchmark(tiny: Path, in_tmp: Path) -> Callable[..., Benchmark]:
    """A benchmark from the keys of its file, over small common values and one seed."""

    def make(*settings: dict[str, Any], **keys: Any) -> Benchmark:
        given = keys.pop("common", {})
        common = COMMON | given if isinstance(given, dict) else given
        content = {"datasets": [tiny.name], "seeds": [1], "settings": list(settings), "common": common} | keys
        path = in_tmp / "some.yaml"
        path.write_text(yaml.safe_dump(content))
        return read_benchmark(path)

    return make


@pytest.fixture
def make_plans(make_benchmark: Callable[..., Benchmark]) -> MakePlans:
    """The runs of such a benchmark."""

    def make(*settings: dict[str, Any], flags: dict[str, str] | None = None, **keys: Any) -> list[RunPlan]:
        return Expansion(make_benchmark(*settings, **keys), flags or {}).plans()

    return make
