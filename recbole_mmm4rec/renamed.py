"""Names that have changed: the message names the new one, and old checkpoints are read under it.

They are read with the old values of keys that came later, too.
"""

from typing import Any

from recbole_mmm4rec.model import MODELS

KEYS = {"item_bias": "item_ids", "transductive": "item_ids"}
"""Keys of our models."""

VALUES = {"fidelity": {"paper": "repaired"}}

LATER = {"co_occurrence": 0.0, "co_occurrence_content": 0.0}
"""Keys of our models that came later, with what models did before they had them."""


def renamed_key(key: str) -> str | None:
    """One line about the new name of a key, None where there is none."""
    return f"'{key}' is now called '{KEYS[key]}'" if key in KEYS else None


def renamed_value(key: str, value: Any) -> str | None:
    """One line about the new name of a key's value, None where there is none."""
    new = VALUES.get(key, {}).get(value) if isinstance(value, str) else None
    return f"'{value}' is now called '{new}'" if new else None


def under_new_names(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of a checkpoint under the names of today, with the keys that came later.

    Those of models of other packages stay as they are.
    """
    ours = settings.get("model") in MODELS
    new = {KEYS.get(key, key) if ours else key: value for key, value in settings.items()}
    for key, values in VALUES.items():
        if isinstance(new.get(key), str):
            new[key] = values.get(new[key], new[key])
    return LATER | new if ours else new
