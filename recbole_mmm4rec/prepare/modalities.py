"""Modalities beside text and image: where their raw files are, and what turns them into vectors.

Another package adds one with :func:`register_modality`, in the function that its entry point of the group
``recbole_mmm4rec.plugins`` names; the key ``encoders`` chooses among the encoders of each.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recbole_mmm4rec.columns import IMAGE, TEXT
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.catalogue import load_plugins
from recbole_mmm4rec.names import check_modality_name
from recbole_mmm4rec.prepare.encoders.base import Encoder
from recbole_mmm4rec.prepare.encoders.shards import encode_in_shards, file_state
from recbole_mmm4rec.prepare.settings import Settings


@dataclass(frozen=True)
class Modality:
    """A kind of content that items have.

    Attributes:
        name: the feature file is ``<dataset>.<name>.parquet``.
        find: (source folder, item tokens, settings) -> file by token, of the items that have one.
        read: a file -> what the encoders take; several threads call it, one item at a time.
        encoders: name -> (settings) -> :class:`~recbole_mmm4rec.prepare.encoders.base.Encoder`.
    """

    name: str
    find: Callable[[Path, Sequence[str], Settings], Mapping[str, Path]]
    read: Callable[[Path], Any]
    encoders: Mapping[str, Callable[[Settings], Encoder[Any]]]

    def encode(
        self, files: Mapping[str, Path], settings: Settings, cache: Path
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Vectors (n, D) float32 of the files in their order, and the metadata of the feature file."""
        encoder = self.encoders[settings.encoders[self.name]](settings)
        paths = list(files.values())
        vectors = encode_in_shards(paths, self.read, encoder, cache, settings.batch_size, file_state)
        return vectors, encoder.metadata


_registered: dict[str, Modality] = {}


def register_modality(modality: Modality) -> None:
    """Make a modality available to ``prepare``; the same name again replaces it.

    Raises:
        UserError: ``text`` or ``image``, or a name that cannot be part of a file's name.
    """
    check_modality_name(modality.name)
    if modality.name in (TEXT, IMAGE):
        raise UserError(f"register_modality: '{modality.name}' exists already")
    _registered[modality.name] = modality


def chosen_modalities(settings: Settings) -> list[Modality]:
    """The modalities that the key ``encoders`` names.

    Raises:
        UserError: one that no package has registered, or an encoder that it does not have.
    """
    load_plugins()
    return [_chosen(name, encoder) for name, encoder in settings.encoders.items()]


def _chosen(name: str, encoder: str) -> Modality:
    if name in (TEXT, IMAGE):
        raise UserError(f"encoders: {name} has its own key, {name}_encoder")
    if name not in _registered:
        known = f"registered are {', '.join(sorted(_registered))}" if _registered else "none is registered"
        raise UserError(f"encoders: no package offers the modality '{name}'; {known}")
    offered = _registered[name].encoders
    if encoder not in offered:
        raise UserError(f"encoders: {name}: {encoder!r} is not one of {', '.join(offered)}")
    return _registered[name]
