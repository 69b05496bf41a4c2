"""A package that brings one model."""

from pathlib import Path

from recbole_mmm4rec import register_model


def register() -> None:
    """Called through the entry point; the model's module is imported only when a run asks for it."""
    register_model("outside_rec.mean_rec:MeanRec", properties=Path(__file__).parent / "MeanRec.yaml")
