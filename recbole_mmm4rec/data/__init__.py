"""Atomic files and feature files -> batches of histories and item matrices."""

from recbole_mmm4rec.data.dataset import MultiModalDataset
from recbole_mmm4rec.data.features import ModalityFeatures, load_features, write_features

__all__ = ["ModalityFeatures", "MultiModalDataset", "load_features", "write_features"]
