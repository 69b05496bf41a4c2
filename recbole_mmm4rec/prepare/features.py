"""The feature files of a dataset: copied where the publisher has them, computed where not."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from recbole_mmm4rec.columns import IMAGE, TEXT
from recbole_mmm4rec.names import check_modality_name
from recbole_mmm4rec.prepare.encoders import check_encoder, encode_images, encode_texts
from recbole_mmm4rec.prepare.feature_files import today, write_feature_file
from recbole_mmm4rec.prepare.modalities import chosen_modalities
from recbole_mmm4rec.prepare.ready_features import copy_features
from recbole_mmm4rec.prepare.settings import Settings
from recbole_mmm4rec.prepare.tally import Tally

LOGGER = logging.getLogger(__name__)
_ENCODER_KEYS = {TEXT: "text_encoder", IMAGE: "image_encoder"}


class FeatureMaker:
    """Decides for each modality where its vectors come from, and writes them."""

    def __init__(self, name: str, settings: Settings, source: Path) -> None:
        """Check everything that can be checked before work begins; raises ``UserError``."""
        for modality in settings.features:
            check_modality_name(modality)
        self._name, self._settings = name, settings
        self.ready = _present({modality: source / file for modality, file in settings.features.items()})
        for modality, key in _ENCODER_KEYS.items():
            encoder = getattr(settings, key)
            if encoder is not None and modality not in self.ready:
                check_encoder(key, encoder)
        self._source = source
        self._further = {m.name: m for m in chosen_modalities(settings) if m.name not in self.ready}

    def write(
        self,
        tokens: list[str],
        texts: dict[str, str],
        pictures: dict[str, Path],
        folder: Path,
        cache: Path,
        tally: Tally,
    ) -> dict[str, int]:
        """Write the feature files into ``folder``; return how many items each covers.

        ``texts`` and ``pictures``: by token, only where there is one. An item that lacks one gets no row, nor
        does one whose text has no word that its encoder could read; ``tally`` counts those.
        """
        rows = {}
        for modality, path in self.ready.items():
            rows[modality] = copy_features(path, folder, self._name, modality, tokens, tally)
        for modality, inputs in self._inputs(tokens, {TEXT: texts, IMAGE: pictures}).items():
            vectors, metadata = self._encode(modality, inputs, cache / modality)
            present = np.asarray(vectors.any(axis=1))
            encoded = _encoded(inputs, present, modality, tally)
            if not encoded:
                LOGGER.warning("No item has %s that can be encoded: no feature file for it", modality)
                continue
            described = metadata | {"date": today()}
            write_feature_file(folder, self._name, modality, encoded, vectors[present], described)
            rows[modality] = len(encoded)
        return rows

    def _inputs(
        self, tokens: list[str], built_in: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, Mapping[str, Any]]:
        """What is to be encoded, by modality and token."""
        chosen = {
            modality: inputs
            for modality, inputs in built_in.items()
            if modality not in self.ready and getattr(self._settings, _ENCODER_KEYS[modality]) is not None
        }
        further = self._further.items()
        return chosen | {name: m.find(self._source, tokens, self._settings) for name, m in further}

    def _encode(
        self, modality: str, inputs: Mapping[str, Any], cache: Path
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Return one row for each input, zeros where the encoder found nothing to read, and the metadata."""
        if not inputs:
            return np.zeros((0, 0), np.float32), {}
        if modality in self._further:
            return self._further[modality].encode(inputs, self._settings, cache)
        encode = encode_texts if modality == TEXT else encode_images
        return encode(inputs, self._settings, cache)


def _encoded(tokens: Iterable[str], present: np.ndarray, modality: str, tally: Tally) -> list[str]:
    """Return the tokens that have a vector; count the others."""
    encoded = []
    for token, there in zip(tokens, present, strict=True):
        if there:
            encoded.append(token)
        else:
            tally.add(f"items whose {modality} has nothing to encode: no {modality} vector", f"item {token}")
    return encoded


def _present(files: dict[str, Path]) -> dict[str, Path]:
    """Keep the files that are there. Those that a user names are: ``read_settings`` refuses others."""
    for modality, path in files.items():
        if not path.is_file():
            LOGGER.warning("%s: no such file, so no ready vectors for %s", path, modality)
    return {modality: path for modality, path in files.items() if path.is_file()}
