"""What a benchmark is: a YAML file, the name of a ready file, or names of models. No data is read here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PositiveInt

from recbole_mmm4rec.benchmark.report.plan import report_choices
from recbole_mmm4rec.benchmark.tuned_values import Tuning
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.catalogue import known_models, near
from recbole_mmm4rec.host.property_files import properties_path, read_properties, ready_benchmarks
from recbole_mmm4rec.schema import Label, Names, Numbers, Strict, Values, as_list, checked
from recbole_mmm4rec.tuning.space import space_of

OWN_KEYS = frozenset({"resume", "nproc", "bench", "checkpoint_dir", "model", "dataset", "config_files"})
"""Keys of a run that the benchmark itself sets."""

DEFAULT_DATASETS, DEFAULT_SEEDS = ("ml-100k",), (2020,)
SAME = "same"
"""Stands for the dataset that is fine-tuned on in a list of pre-training datasets."""


@dataclass(frozen=True)
class Pretraining:
    """A run that others start from: on the first of ``datasets`` that exists, with its own values."""

    datasets: tuple[str, ...]
    values: dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """A model with values under the label that the report shows; on all datasets, or on some.

    ``tuned`` is whether it takes part in the benchmark's search.
    """

    name: str
    model: str
    values: dict[str, Any] = field(default_factory=dict)
    datasets: tuple[str, ...] | None = None
    pretrain: Pretraining | None = None
    tuned: bool = True

    def runs_on(self, dataset: str) -> bool:
        """Whether the setting is meant for a dataset."""
        return self.datasets is None or dataset in self.datasets


@dataclass(frozen=True)
class Benchmark:
    """Settings x datasets x seeds, values common to all of them, and the choices for the report."""

    name: str
    title: str
    origin: str
    settings: tuple[Setting, ...]
    datasets: tuple[str, ...] = DEFAULT_DATASETS
    seeds: tuple[int, ...] = DEFAULT_SEEDS
    common: dict[str, Any] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)
    tuning: Tuning | None = None

    def narrowed(self, datasets: Iterable[str] | None, seeds: Iterable[int] | None) -> "Benchmark":
        """The same benchmark with other datasets or seeds."""
        return replace(self, datasets=tuple(datasets or self.datasets), seeds=tuple(seeds or self.seeds))


def find_benchmark(given: str) -> Benchmark:
    """The benchmark given by a file, the name of a ready file or a comma-separated list of models.

    Raises:
        UserError: not one of the three, or a file with an unknown key or a wrong value; names it.
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
        raise UserError(
            f"--benchmark: '{wrong}' is not a file, a model or one of {', '.join(ready_benchmarks())}{hint}"
        )
    settings = tuple(Setting(name, name) for name in dict.fromkeys(models))
    return Benchmark("-".join(s.name for s in settings), ", ".join(models), "--benchmark", settings)


class _PretrainEntry(BaseModel):
    """``pretrain`` of a setting; other keys are values of the run."""

    model_config = ConfigDict(strict=True, extra="allow")

    dataset: Names = []


class _SettingEntry(BaseModel):
    """An entry of ``settings``; other keys are values of the model."""

    model_config = ConfigDict(strict=True, extra="allow")

    name: Label = ""
    model: str | None = None
    datasets: Names = []
    pretrain: _PretrainEntry | None = None
    tune: bool = True

    @property
    def label(self) -> str:
        """The name, by default the model's."""
        return self.name or str(self.model)


class _TuneEntry(Strict):
    """``tune``: the same search for every setting."""

    space: Values
    max_evals: PositiveInt


class _File(Strict):
    """The keys of a benchmark's file."""

    title: Label = ""
    datasets: Names = []
    seeds: Numbers = []
    common: Values = Field(default_factory=dict)
    models: Names = []
    settings: Annotated[list[_SettingEntry], BeforeValidator(as_list)] = []
    tune: _TuneEntry | None = None
    report: Values = Field(default_factory=dict)


def read_benchmark(path: Path) -> Benchmark:
    """Read and check a file. Raises UserError, one line with file and key."""
    if not path.is_file():
        raise UserError(f"--benchmark: {path} does not exist")
    origin = str(path)
    found = checked(_File, origin, read_properties(path))
    entries = [*(_SettingEntry(model=name) for name in found.models), *found.settings]
    settings = tuple(_setting(origin, entry) for entry in entries)
    if not settings:
        raise UserError(f"{origin}: names no models and no settings")
    _refuse_twins(origin, settings)
    refuse_own(origin, "common", found.common)
    _refuse_strangers(origin, report_choices(origin, found.report).labels, settings)
    title = found.title or path.stem
    whole = Benchmark(
        path.stem,
        title,
        origin,
        settings,
        common=found.common,
        report=found.report,
        tuning=_tuning(origin, found.tune),
    )
    return whole.narrowed(found.datasets, found.seeds)


def _tuning(origin: str, entry: _TuneEntry | None) -> Tuning | None:
    if entry is None:
        return None
    refuse_own(origin, "tune: space", entry.space)
    return Tuning(space_of(f"{origin}: tune: space", entry.space), entry.max_evals)


def _setting(origin: str, entry: _SettingEntry) -> Setting:
    name, values = entry.label, entry.model_extra or {}
    if entry.model is None:
        raise UserError(f"{origin}: setting '{name}' names no model")
    refuse_own(origin, f"setting '{name}'", values)
    before = _pretraining(origin, entry)
    return Setting(name, entry.model, values, tuple(entry.datasets) or None, before, entry.tune)


def _pretraining(origin: str, entry: _SettingEntry) -> Pretraining | None:
    found, place = entry.pretrain, f"pretrain of '{entry.label}'"
    values = (found.model_extra or {}) if found else {}
    if found is None or not (values or found.dataset):
        return None
    if "pretrained" in (entry.model_extra or {}):
        raise UserError(f"{origin}: setting '{entry.label}' has both 'pretrain' and 'pretrained'")
    if not found.dataset:
        raise UserError(f"{origin}: {place} names no dataset")
    refuse_own(origin, place, values, allowed={"seed"})
    return Pretraining(tuple(found.dataset), values)


def _refuse_twins(origin: str, settings: tuple[Setting, ...]) -> None:
    """Two settings of the same model may share a label if no dataset has both."""
    for number, one in enumerate(settings):
        for other in settings[number + 1 :]:
            apart = one.datasets and other.datasets and not {*one.datasets} & {*other.datasets}
            if one.name == other.name and not (apart and one.model == other.model):
                raise UserError(f"{origin}: two settings are called '{one.name}'; give them names")


def refuse_own(
    origin: str, place: str, values: Mapping[str, Any], allowed: Iterable[str] = frozenset()
) -> None:
    """Refuse keys that the benchmark sets for every run."""
    for key in values:
        if key in (OWN_KEYS | {"seed"}) - set(allowed):
            raise UserError(f"{origin}: '{key}' in {place}: the benchmark decides it itself")


def _refuse_strangers(origin: str, named: Iterable[str], settings: tuple[Setting, ...]) -> None:
    """Refuse a report about settings that do not exist."""
    labels = [setting.name for setting in settings]
    for name in named:
        if name not in labels:
            raise UserError(f"{origin}: report: no setting is called '{name}'{near(name, labels)}")
