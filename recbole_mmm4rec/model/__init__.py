"""The models: one file per model, or one folder for a paper that brings its own layers.

``from recbole_mmm4rec.model import MMM4Rec`` imports one model only. A new model adds one line to
:data:`MODELS`; one that lives in another package is registered with
:func:`recbole_mmm4rec.register_model`.
"""

from importlib import import_module
from typing import Any

MODELS: dict[str, str] = {
    "BSARec": "bsarec",
    "FDSAT": "fdsat",
    "HM4SR": "hm4sr",
    "M3Rec": "m3rec",
    "MISSRec": "missrec",
    "MMM4Rec": "mmm4rec",
    "MMSRec": "mmsrec",
    "Mamba4Rec": "mamba4rec",
    "Mamba4RecT": "mamba4rec",
    "S3RecT": "s3rect",
    "SASRecT": "self_attentive",
    "TiM4Rec": "tim4rec",
    "TiM4RecT": "tim4rec",
    "UniSRec": "unisrec",
    "VQRec": "vqrec",
    "ZESRec": "self_attentive",
}
"""Class name -> module of this package that defines it."""

__all__ = ["MODELS", *MODELS]


def __getattr__(name: str) -> Any:
    if name not in MODELS:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{MODELS[name]}"), name)
