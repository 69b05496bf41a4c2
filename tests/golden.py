"""Golden files: numbers of published implementations that ours must reproduce."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

FOLDER = Path(os.environ.get("MMM4REC_GOLDEN") or Path(__file__).parents[2] / "shared" / "golden")


@dataclass(frozen=True)
class Golden:
    """One file, its tensors split by the first part of their names."""

    name: str
    meta: dict[str, Any]
    param: dict[str, Tensor]
    grad: dict[str, Tensor]
    input: dict[str, Tensor]
    output: dict[str, Tensor]


def golden_files(pattern: str) -> list[Any]:
    """Parameters for ``pytest.mark.parametrize``: the files, or one skip that says what is missing."""
    files = sorted(FOLDER.glob(f"{pattern}.safetensors"))
    if not files:
        reason = f"no {pattern}.safetensors in {FOLDER}; set MMM4REC_GOLDEN to the folder of golden files"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason))]
    return [pytest.param(path, id=path.stem) for path in files]


def load(path: Path) -> Golden:
    """Read one golden file."""
    safetensors = pytest.importorskip("safetensors", reason="golden files are safetensors")
    with safetensors.safe_open(path, "pt") as file:
        meta = {k: json.loads(v) if v.startswith("{") else v for k, v in (file.metadata() or {}).items()}
        parts: dict[str, dict[str, Tensor]] = {"param": {}, "grad": {}, "input": {}, "output": {}}
        for key in file.keys():  # noqa: SIM118  (the file object is no dict)
            kind, name = key.split(".", 1)
            parts[kind][name] = file.get_tensor(key)
    return Golden(path.stem, meta, **parts)


def assert_agrees(actual: Tensor, expected: Tensor, what: str, tolerance: float = 1e-4) -> None:
    """Within ``tolerance`` of the largest entry, as the golden files demand."""
    assert actual.shape == expected.shape, f"{what}: {tuple(actual.shape)} is not {tuple(expected.shape)}"
    scale = expected.abs().max().clamp_min(1e-12)
    error = ((actual - expected).abs().max() / scale).item()
    assert error <= tolerance, f"{what}: off by {error:.2e} of the largest entry"
