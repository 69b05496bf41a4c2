"""What ``--help`` and ``--version`` say."""

from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import recbole_mmm4rec
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.catalogue import (
    known_models,
    model_keys,
    near,
    our_models,
    recbole_models,
    registered_models,
)
from recbole_mmm4rec.host.property_files import (
    Key,
    properties_path,
    read_keys,
    ready_benchmarks,
    recbole_properties_path,
)

USAGE = """\
Train and evaluate a sequential recommender, ours or RecBole's, by the same data, splits and metrics.

usage: python run_recbole.py [--model=M] [--dataset=D] [--config_files="a.yaml b.yaml"] [--key=value ...]

  --model=M           {ours}; or any model of RecBole, e.g. SASRec (default MMM4Rec)
  --dataset=D         folder under data_path (default ml-100k; without a model: demo-shop, in a small run)
  --config_files=...  YAML files with keys; the last one wins
  --key=value         any key; wins over files. YAML values: --topk=[5,10] --learning_rate=1e-4 --seq_len=~
  --bench[=STEPS]     measure training steps instead of training; writes bench.json
  --bench=growth      how a step grows; =processes, recommend, serve; --dataset: =positions, peers
  --bench=pretraining measure pre-training on 447,000 made-up items; =million: every objective on 1,000,000
  --benchmark=B       many runs and a report (--report=DIR: only that) of a YAML file, {ready} or models A,B
                      [--seeds=1,2] [--workers=K] [--launcher=ray] [--output=DIR] [--keep_results=True]
  --tune=F            search: a .hyper file or a model's name, with --model, --dataset, [--tool=hyperopt|ray]
                      [--algo=exhaustive|random|bayes|asha] [--max_evals=N] [--cpus_per_trial=1]
  --ray_address=A     HOST:PORT or auto: benchmark and tune with Ray on that cluster (default RAY_ADDRESS)
  --nproc=N           processes of one run; on several hosts --world_size, --group_offset, --ip, --port too
  --help --model=M    every key of a model, with type and meaning; --version; --debug: errors with traceback

examples:
  python run_recbole.py
  python run_recbole.py --model=SASRec --dataset=ml-100k --epochs=5
  python run_recbole.py --dataset=demo-shop --config_files="properties/stage/pretrain.yaml"
  python run_recbole.py --dataset=demo-shop --pretrained=saved/<checkpoint>.pth
"""

SHOWN_PACKAGES = ("recbole", "torch", "numpy", "pandas")
WIDTH = 34


def version_text() -> str:
    """One line: our version and those of the packages that decide results."""
    others = ", ".join(f"{name} {metadata.version(name)}" for name in SHOWN_PACKAGES)
    return f"recbole_mmm4rec {recbole_mmm4rec.__version__} ({others})\n"


def help_text(model: str | None = None) -> str:
    """The usage; with a model, its keys instead.

    Raises:
        UserError: unknown model.
    """
    if model is None:
        return USAGE.format(
            ours=", ".join([*our_models(), *registered_models()]), ready=", ".join(ready_benchmarks())
        )
    if model not in known_models():
        raise UserError(f"unknown model '{model}'{near(model, known_models())}")
    own = read_keys(recbole_properties_path() / "model" / f"{model}.yaml")
    if model not in recbole_models():
        own = read_keys(properties_path() / "shared.yaml") | model_keys(model)
    shared = {name: key for path in _overall_files() for name, key in read_keys(path).items()}
    return f"keys of {model}\n{_listing(own)}\nkeys of every run\n{_listing(shared)}"


def _overall_files() -> list[Path]:
    recbole, ours = recbole_properties_path(), properties_path()
    return [recbole / "overall.yaml", recbole / "dataset" / "sample.yaml", ours / "overall.yaml"]


def _listing(keys: Mapping[str, Key]) -> str:
    """One line per key."""
    return "".join(f"  {f'{key.name}={key.default}':<{WIDTH}} {_meaning(key)}\n" for key in keys.values())


def _meaning(key: Key) -> str:
    return f"({key.types}) {key.meaning}" if key.types else ""
