"""Item token <-> picture file."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
_LONGEST = 200


def file_stem(token: str) -> str:
    """Return a file name for any token: no separators, no dots in front, never too long, one a token."""
    stem = quote(token, safe=" ()+,=@&$!'")
    if len(stem) > _LONGEST:
        stem = f"{stem[:100]}-{hashlib.sha256(token.encode()).hexdigest()[:32]}"
    return f"%2E{stem[1:]}" if stem.startswith(".") else stem


def find_pictures(folder: Path, tokens: Iterable[str]) -> dict[str, Path]:
    """Return the files of ``folder`` that are called as the tokens, token -> path."""
    files = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in ENDINGS}
    found = {token: files.get(token) or files.get(file_stem(token)) for token in tokens}
    return {token: path for token, path in found.items() if path is not None}
