"""A ``.hyper`` file in RecBole's format: one key a line, its kind, its values.

``learning_rate loguniform -8,0`` draws exp(-8) to exp(0), ``hidden_size quniform 32,128,32`` 32, 64, 96 or
128; the other kinds are ``n_layers choice [1,2]`` and ``dropout_prob uniform 0,0.5``. RecBole reads lists by
``eval``, here they are literals.
"""

import ast
import itertools
import math
import random
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.catalogue import near
from recbole_mmm4rec.host.config_checks import accepted_types, documented_keys
from recbole_mmm4rec.host.property_files import properties_path
from recbole_mmm4rec.training.training_state import OF_SCORES

KINDS = {"choice": 0, "uniform": 2, "loguniform": 2, "quniform": 3}
"""Kind -> how many numbers it takes; a choice takes a list."""

MEASURES = ("metrics", "topk", *OF_SCORES)
"""Keys that decide what is measured, and on what."""

MOST_LOG = 700
"""The largest logarithm of a loguniform value; the exponential of 710 is too large for a float."""


@dataclass(frozen=True)
class Range:
    """Values that one key may take; ``values`` are the choices, or low, high and step."""

    kind: str
    values: tuple[Any, ...]

    def first(self) -> Any:
        """One value of the range, to check the key with."""
        return math.exp(self.values[0]) if self.kind == "loguniform" else self.values[0]

    def draw(self, source: random.Random) -> Any:
        """One value, as hyperopt would draw it."""
        if self.kind == "choice":
            return source.choice(self.values)
        low, high = self.values[:2]
        value = source.uniform(low, high)
        if self.kind == "loguniform":
            return math.exp(value)
        step = self.values[2] if self.kind == "quniform" else None
        return round(value / step) * step if step else value


Space = dict[str, Range]


def find_space(given: str) -> tuple[Path, Space]:
    """The file that a path or a model's name refers to (``properties/hyper/<Model>.hyper``), and its ranges.

    Raises:
        UserError: no such file, or a line that is not understood; names it.
    """
    ready = sorted((properties_path() / "hyper").glob("*.hyper"))
    path = next((file for file in ready if file.stem == given), Path(given))
    if not path.is_file():
        names = [file.stem for file in ready]
        raise UserError(f"--tune: {given} is not a file, nor one of {', '.join(names)}{near(given, names)}")
    return path, read_space(path)


def read_space(path: Path) -> Space:
    """Ranges by key, in the order of the file."""
    space: Space = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            key, kind, text = line.split(maxsplit=2)
            values = _range(kind, text)
        except (ValueError, SyntaxError, TypeError) as error:
            wanted = "expected 'key choice [a, b]', or uniform, loguniform or quniform with numbers"
            raise UserError(f"{path}, line {number}: {wanted}; got '{line.strip()}'") from error
        if key in space:
            raise UserError(f"{path}, line {number}: {key} is there twice")
        space[key] = values
    if not space:
        raise UserError(f"{path}: no key to search over")
    return space


def _range(kind: str, text: str) -> Range:
    count = KINDS.get(kind)
    values = tuple(ast.literal_eval(text)) if kind == "choice" else tuple(map(float, text.split(",")))
    if count is None or (count and len(values) != count) or not values:
        raise ValueError(kind)
    if count and not (values[0] <= values[1] < math.inf and all(step > 0 for step in values[2:])):
        raise ValueError(text)
    if kind == "loguniform" and values[1] > MOST_LOG:
        raise ValueError(text)
    return Range(kind, values)


def space_of(origin: str, values: Mapping[str, Any]) -> Space:
    """Ranges by key from YAML: a list of choices, or a text as after the key in a ``.hyper`` file.

    Raises:
        UserError: a value that is neither; names ``origin`` and key.
    """
    return {key: _range_of(f"{origin}: {key}", value) for key, value in values.items()}


def _range_of(place: str, value: Any) -> Range:
    if isinstance(value, list) and value:
        return Range("choice", tuple(value))
    try:
        return _range(*value.split(maxsplit=1))
    except (AttributeError, ValueError, SyntaxError, TypeError) as error:
        wanted = "expected a list of values, or uniform, loguniform or quniform with numbers"
        raise UserError(f"{place}: {wanted}; got {value!r}") from error


def refuse_measures(origin: str, space: Collection[str]) -> None:
    """Raise ``UserError``, which names ``origin``, for a key that decides what the score of a trial means."""
    for key in space:
        if key in MEASURES:
            raise UserError(f"{origin}: '{key}' decides what a score means, so it is the same for all trials")


def fitting(params: Mapping[str, Any], model: str, dataset: str) -> dict[str, Any]:
    """Values as plain Python, whole numbers for keys of the model that take no others."""
    keys = documented_keys(model, dataset)
    plain = {key: v.item() if isinstance(v, np.generic) else v for key, v in params.items()}
    whole = {key: int(v) for key, v in plain.items() if _wants_whole(keys.get(key), v)}
    return plain | whole


def _wants_whole(key: Any, value: Any) -> bool:
    whole = isinstance(value, float) and value.is_integer()
    return whole and key is not None and accepted_types(key.types) == (int,)


def size(space: Space) -> float:
    """Number of different sets of values; infinite where a key has a continuous range."""
    sizes = [len(r.values) if r.kind == "choice" else _steps(r) for r in space.values()]
    return math.prod(sizes)


def _steps(values: Range) -> float:
    if values.kind != "quniform":
        return math.inf
    low, high, step = values.values
    return round(high / step) - round(low / step) + 1


def as_recbole_dict(space: Space) -> dict[str, dict[str, list[Any]]]:
    """What RecBole's ``HyperTuning`` takes as ``params_dict``.

    Choices by their places, for an exhaustive search cannot take choices that are lists; see :func:`chosen`.
    """
    kinds: dict[str, dict[str, list[Any]]] = {}
    for key, r in space.items():
        kinds.setdefault(r.kind, {})[key] = list(range(len(r.values)) if r.kind == "choice" else r.values)
    return kinds


def chosen(space: Space, params: Mapping[str, Any]) -> dict[str, Any]:
    """Values by key, from what a search over :func:`as_recbole_dict` proposes."""
    return {key: space[key].values[v] if space[key].kind == "choice" else v for key, v in params.items()}


def every(space: Space) -> Iterator[dict[str, Any]]:
    """Every set of values, in the order of the file.

    Raises:
        UserError: a key has a continuous range.
    """
    for key, values in space.items():
        if values.kind != "choice":
            raise UserError(f"an exhaustive search takes only choices; '{key}' is {values.kind}")
    for combination in itertools.product(*(values.values for values in space.values())):
        yield dict(zip(space, combination, strict=True))


def drawn(space: Space, count: int, seed: int) -> list[dict[str, Any]]:
    """At most ``count`` different sets of values, the same ones for the same seed."""
    source = random.Random(seed)
    found: dict[str, dict[str, Any]] = {}
    for _ in range(100 * count):
        if len(found) == min(count, size(space)):
            break
        params = {key: values.draw(source) for key, values in space.items()}
        found.setdefault(repr(params), params)
    return list(found.values())
