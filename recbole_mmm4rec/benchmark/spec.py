"""What a benchmark is: a YAML file, a ready file's name, or names of models. Nothing here looks at data."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from recbole_mmm4rec.benchmark.report.plan_reading import report_choices
from recbole_mmm4rec.benchmark.yaml_values import list_of, mapping, refuse_unknown
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.catalogue import known_models, near
from recbole_mmm4rec.host.property_files import properties_path, read_properties, ready_benchmarks

FILE_KEYS = ("title", "datasets", "seeds", "common", "models", "settings", "report")
SETTING_KEYS = ("name", "model", "datasets", "pretrain")
OWN_KEYS = frozenset({"resume", "nproc", "bench", "checkpoint_dir", "model", "dataset", "config_files"})
"""Keys of a run that the benchmark itself decides."""

DEFAULT_DATASETS, DEFAULT_SEEDS = ("ml-100k",), (2020,)
SAME = "same"
"""In place of a pre-training dataset: the one that is fine-tuned on."""


@dataclass(frozen=True)
class Pretraining:
    """A run whose weights others start from: the first of ``datasets`` that is there, and its own values."""

    datasets: tuple[str, ...]
    values: dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """A model with values, under the label that the report gives it; on all datasets, or on some."""

    name: str
    model: str
    values: dict[str, Any] = field(default_factory=dict)
    datasets: tuple[str, ...] | None = None
    pretrain: Pretraining | None = None

    def runs_on(self, dataset: str) -> bool:
        """Whether the setting is meant for a dataset."""
        return self.datasets is None or dataset in self.datasets


@dataclass(frozen=True)
class Benchmark:
    """Settings x datasets x seeds, values for all of them, and what the report is told."""

    name: str
    title: str
    origin: str
    settings: tuple[Setting, ...]
    datasets: tuple[str, ...] = DEFAULT_DATASETS
    seeds: tuple[int, ...] = DEFAULT_SEEDS
    common: dict[str, Any] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)

    def narrowed(self, datasets: Iterable[str] | None, seeds: Iterable[int] | None) -> "Benchmark":
        """The same with other datasets or seeds."""
        return replace(self, datasets=tuple(datasets or self.datasets), seeds=tuple(seeds or self.seeds))


def find_benchmark(given: str) -> Benchmark:
    """The benchmark that a file, a ready file's name or a comma list of models stands for.

    Raises:
        UserError: none of the three, or a file with an unknown key or a wrong value; names it.
    """
    if given in ready_benchmarks():
        return read_benchmark(properties_path() / "benchmark" / f"{given}.yaml")
    if given.endswith((".yaml", ".yml")) or Path(given).is_file():
        return read_benchmark(Path(given))
    models = [name.strip() for name in given.split(",") if name.strip()]
    known = known_models()
    unknown = [name for name in models if name not in known]
    if unknown or not models:
        wrong = unknown[0] if unknown else given
        hint = near(wrong, [*known, *ready_benchmarks()])
        raise UserError(f"--benchmark: '{wrong}' is no file, no model, none of {ready_benchmarks()}{hint}")
    settings = tuple(Setting(name, name) for name in dict.fromkeys(models))
    return Benchmark("-".join(s.name for s in settings), ", ".join(models), "--benchmark", settings)


def read_benchmark(path: Path) -> Benchmark:
    """Read and check a file. Raises UserError, one line with file and key."""
    if not path.is_file():
        raise UserError(f"--benchmark: {path} does not exist")
    values, origin = read_properties(path), str(path)
    refuse_unknown(origin, values, FILE_KEYS)
    listed = [{"model": name} for name in list_of(origin, "models", values.get("models"), str)]
    listed += list_of(origin, "settings", values.get("settings"), dict)
    settings = tuple(_setting(origin, entry) for entry in listed)
    if not settings:
        raise UserError(f"{origin}: names no models and no settings")
    _refuse_twins(origin, settings)
    title = str(values.get("title") or path.stem)
    common, report = (mapping(origin, key, values.get(key)) for key in ("common", "report"))
    refuse_own(origin, "common", common)
    _refuse_strangers(origin, report_choices(origin, report).labels, settings)
    whole = Benchmark(path.stem, title, origin, settings, common=common, report=report)
    datasets = list_of(origin, "datasets", values.get("datasets"), str)
    return whole.narrowed(datasets, list_of(origin, "seeds", values.get("seeds"), int))


def _setting(origin: str, entry: Mapping[str, Any]) -> Setting:
    model = entry.get("model")
    name = str(entry.get("name") or model)
    if not isinstance(model, str):
        raise UserError(f"{origin}: setting '{name}' names no model")
    values = {key: value for key, value in entry.items() if key not in SETTING_KEYS}
    refuse_own(origin, f"setting '{name}'", values)
    datasets = list_of(origin, f"datasets of '{name}'", entry.get("datasets"), str)
    return Setting(name, model, values, tuple(datasets) or None, _pretraining(origin, name, entry))


def _pretraining(origin: str, name: str, entry: Mapping[str, Any]) -> Pretraining | None:
    values = mapping(origin, f"pretrain of '{name}'", entry.get("pretrain"))
    if not values:
        return None
    if "pretrained" in entry:
        raise UserError(f"{origin}: setting '{name}' has both 'pretrain' and 'pretrained'")
    datasets = list_of(origin, f"dataset of the pretrain of '{name}'", values.pop("dataset", None), str)
    if not datasets:
        raise UserError(f"{origin}: pretrain of '{name}' names no dataset")
    refuse_own(origin, f"pretrain of '{name}'", values, allowed={"seed"})
    return Pretraining(tuple(datasets), values)


def _refuse_twins(origin: str, settings: tuple[Setting, ...]) -> None:
    """Two settings of a model may share a label when no dataset has both."""
    for number, one in enumerate(settings):
        for other in settings[number + 1 :]:
            apart = one.datasets and other.datasets and not {*one.datasets} & {*other.datasets}
            if one.name == other.name and not (apart and one.model == other.model):
                raise UserError(f"{origin}: two settings are called '{one.name}'; give them names")


def refuse_own(
    origin: str, place: str, values: Mapping[str, Any], allowed: Iterable[str] = frozenset()
) -> None:
    """Refuse keys that a benchmark sets for every run."""
    for key in values:
        if key in (OWN_KEYS | {"seed"}) - set(allowed):
            raise UserError(f"{origin}: '{key}' in {place}: the benchmark decides it itself")


def _refuse_strangers(origin: str, named: Iterable[str], settings: tuple[Setting, ...]) -> None:
    """Refuse a report about settings that there are none of."""
    labels = [setting.name for setting in settings]
    for name in named:
        if name not in labels:
            raise UserError(f"{origin}: report: no setting is called '{name}'{near(name, labels)}")
