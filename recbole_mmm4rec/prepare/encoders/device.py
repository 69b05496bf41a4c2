"""Where an encoder runs."""

from collections.abc import Mapping
from typing import Any

import torch

from recbole_mmm4rec.errors import UserError


def chosen_device(options: Mapping[str, Any]) -> torch.device:
    """Return the ``device`` of ``encoder_options``, else the GPU if there is one. Raises ``UserError``."""
    name = options.get("device") or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).strip().split("\n")[0][:200]
        raise UserError(f"encoder_options: device: {name!r} cannot be used ({reason})") from error
    return device
