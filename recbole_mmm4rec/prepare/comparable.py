"""Whether the vectors of several datasets are in one space, as far as their metadata shows."""

import logging
from collections.abc import Mapping
from typing import Any

from recbole_mmm4rec.columns import UNKNOWN
from recbole_mmm4rec.data.feature_files import FeatureFile
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.feature_rows import form

LOGGER = logging.getLogger(__name__)


def check_comparable(modality: str, files: Mapping[str, FeatureFile]) -> None:
    """Raise ``UserError`` where vectors (dataset -> file) differ in width, encoder or its weights.

    An unknown encoder may be any: that is reported, not refused. Vectors that were fitted to each
    dataset by itself are refused although their encoder has one name.
    """
    if not files:
        raise UserError(f"merge: no dataset has {modality} vectors")
    _refuse_different(modality, "dimension", {domain: form(file)[0] for domain, file in files.items()})
    known = {
        domain: file.metadata
        for domain, file in files.items()
        if file.metadata.get("encoder") not in (None, UNKNOWN)
    }
    for key in ("encoder", "weights"):
        _refuse_different(modality, key, {domain: facts.get(key) for domain, facts in known.items()})
    fitted = [domain for domain, facts in known.items() if "TF-IDF" in str(facts["encoder"])]
    if len(fitted) > 1:
        raise UserError(
            f"merge: {modality} vectors of {', '.join(fitted)} were each fitted to its own dataset (TF-IDF): "
            "encode them with minilm, hashed or open_clip first"
        )
    unknown = [domain for domain in files if domain not in known]
    if unknown and len(files) > 1:
        LOGGER.warning(
            "merge: the encoder of the %s vectors of %s is unknown; whether they can be compared with the "
            "others' cannot be checked", modality, ", ".join(unknown),
        )  # fmt: skip


def _refuse_different(modality: str, key: str, values: Mapping[str, Any]) -> None:
    if len({str(value) for value in values.values()}) > 1:
        told = ", ".join(f"{domain}: {value}" for domain, value in values.items())
        raise UserError(
            f"merge: {modality} vectors are not comparable, their {key} differs ({told}); "
            "--modalities names those to take"
        )
