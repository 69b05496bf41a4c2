"""Golden files: numbers of published implementations that ours must reproduce."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

SHIPPED = Path(__file__).parent / "model" / "golden"
SHARED = Path(__file__).parents[2] / "shared" / "golden"
FOLDER = Path(os.environ.get("MMM4REC_GOLDEN") or (SHARED if SHARED.is_dir() else SHIPPED))
TOLERANCE = 1e-4
GRADIENT_FLOOR = 3e-2
"""The smallest scale of a gradient, as a share of the model's largest: 3e-6 of that is what float32 rounding
reaches in a deep model, on whichever processor."""

listeners: list[Callable[[str, int, float], None]] = []
"""Called with the name, the count of numbers and the error of every comparison."""


@dataclass(frozen=True)
class Golden:
    """One file, its tensors split by the first part of their names."""

    name: str
    meta: dict[str, Any]
    param: dict[str, Tensor]
    grad: dict[str, Tensor]
    input: dict[str, Tensor]
    output: dict[str, Tensor]

    @property
    def hyper(self) -> dict[str, Any]:
        """The hyper-parameters in the header."""
        return self.meta["hyperparameters"]

    @property
    def max_len(self) -> int:
        """The longest history the parameters are made for."""
        return int(self.meta.get("max_len") or self.hyper["max_len"])

    @property
    def rows(self) -> int:
        """Items, the pad among them."""
        features = [value for name, value in self.input.items() if name.endswith("_features")]
        return int(self.meta.get("n_items_with_pad") or len(features[0]))


def golden_files(pattern: str, holds: str = "") -> list[Any]:
    """Parameters for ``pytest.mark.parametrize``: the files, or one skip that says what is missing.

    ``pattern`` is that of the names without ``.safetensors``. With ``holds`` only files that have a
    tensor of this name are listed: what a file pins is said by its tensors, not by its name.
    """
    files = [path for path in sorted(FOLDER.glob(f"{pattern}.safetensors")) if not holds or _has(path, holds)]
    if not files:
        what = f"{pattern}.safetensors" + (f" that holds {holds}" if holds else "")
        reason = f"no {what} in {FOLDER}; set MMM4REC_GOLDEN to a folder of golden files"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason))]
    return [pytest.param(path, id=path.stem) for path in files]


def _has(path: Path, name: str) -> bool:
    with _opened(path) as file:
        return name in file.keys()  # noqa: SIM118  (the file object is not a dict)


def _opened(path: Path) -> Any:
    safetensors = pytest.importorskip("safetensors", reason="golden files are safetensors")
    return safetensors.safe_open(path, "pt")


def load(path: Path) -> Golden:
    """Read one golden file."""
    with _opened(path) as file:
        meta = {k: json.loads(v) if v.startswith("{") else v for k, v in (file.metadata() or {}).items()}
        parts: dict[str, dict[str, Tensor]] = {"param": {}, "grad": {}, "input": {}, "output": {}}
        for key in file.keys():  # noqa: SIM118  (the file object is not a dict)
            kind, name = key.split(".", 1)
            parts[kind][name] = file.get_tensor(key)
    return Golden(path.stem, meta, **parts)


def assert_agrees(
    actual: Tensor, expected: Tensor, what: str, tolerance: float = TOLERANCE, floor: float = 1e-12
) -> None:
    """Within ``tolerance`` of the largest entry, or of ``floor`` where all entries are smaller than it."""
    assert actual.shape == expected.shape, f"{what}: {tuple(actual.shape)} is not {tuple(expected.shape)}"
    scale = max(_largest(expected), floor)
    error = _largest(actual.detach() - expected.detach()) / scale
    for listener in listeners:
        listener(what, expected.numel(), error)
    assert error <= tolerance, f"{what}: off by {error:.2e} of {scale:.2e}, the largest entry"


def assert_gradients_agree(
    actual: Mapping[str, Tensor | None], expected: Mapping[str, Tensor], tolerance: float = TOLERANCE
) -> None:
    """Every gradient of ``expected``, each within ``tolerance`` of its own largest entry.

    A gradient that is zero but for rounding (of the bias of attention keys, say) has no scale of its own:
    no scale is taken smaller than ``GRADIENT_FLOOR`` of the largest gradient on either side.
    """
    present = [grad for grad in actual.values() if grad is not None]
    floor = GRADIENT_FLOOR * max(map(_largest, [*present, *expected.values()]), default=0.0)
    for name, grad in expected.items():
        mine = actual[name]
        found = torch.zeros_like(grad) if mine is None else mine
        assert_agrees(found, grad, f"gradient of {name}", tolerance, max(floor, 1e-12))


def _largest(tensor: Tensor) -> float:
    return tensor.detach().abs().max().item() if tensor.numel() else 0.0
