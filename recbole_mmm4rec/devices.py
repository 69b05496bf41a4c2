"""Where to compute: a device by its name, checked before anything is put there."""

from __future__ import annotations

from typing import Any

import torch

from recbole_mmm4rec.errors import UserError


def usable_device(name: Any, key: str) -> torch.device:
    """A device that this machine has.

    Args:
        name: such as ``cpu`` or ``cuda:1``, or a ``torch.device``; None: a GPU where there is one.
        key: where the name was given, for the message.

    Raises:
        UserError: the device cannot be used, with PyTorch's reason.
    """
    wanted = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).strip().split("\n")[0][:200]
        raise UserError(f"{key}: {wanted!r} cannot be used ({reason})") from error
    return device
