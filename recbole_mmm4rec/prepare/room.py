"""A full disk, quota or file size limit: one line that names what could not be written."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recbole_mmm4rec.errors import UserError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NUMPY = "requested and"
"""numpy reports an array that was cut short as "8192 requested and 512 written", without a number."""


@contextmanager
def enough_room(target: Path) -> Iterator[None]:
    """Turn the lack of room inside the block into a ``UserError`` that names ``target``."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL and not (error.errno is None and _NUMPY in str(error)):
            raise
        why = os.strerror(error.errno or errno.ENOSPC)
        raise UserError(
            f"{target}: no room to write it ({why}); what was there before is unchanged"
        ) from error
