"""Encoding in shards on disk: an interrupted run goes on with the first shard that is missing."""

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from tqdm import tqdm

from recbole_mmm4rec.files import replacing
from recbole_mmm4rec.prepare.encoders.base import Encoder

SHARD_ROWS = 2_048
LOADERS = 4
Key = TypeVar("Key")
Loaded = TypeVar("Loaded")


def encode_in_shards(
    keys: Sequence[Key],
    load: Callable[[Key], Loaded],
    encoder: Encoder[Loaded],
    cache: Path,
    batch_size: int,
    describe: Callable[[Key], str] = str,
) -> np.ndarray:
    """Return the vectors (n, D) float32 of ``keys`` in their order; ``load`` turns a key into the input.

    ``cache``: folder of the shards. A shard is used again if encoder, keys and what ``describe`` tells of
    each key (the text itself, a file's size and time) are the same.
    """
    folder = cache / _fingerprint([json.dumps(encoder.metadata, sort_keys=True)])
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    with tqdm(total=len(keys), desc="encode", unit="item", leave=False, disable=None) as bar:
        for start in range(0, len(keys), SHARD_ROWS):
            shard = keys[start : start + SHARD_ROWS]
            path = folder / f"{_fingerprint([describe(key) for key in shard])}.npy"
            if not path.is_file():
                _save(path, _encode_shard(shard, load, encoder, batch_size, bar))
            else:
                bar.update(len(shard))
            parts.append(np.load(path, allow_pickle=False))
    return np.concatenate(parts)


def file_state(path: Path) -> str:
    """What tells a file from another one of the same name."""
    state = path.stat()
    return f"{path.name} {state.st_size} {state.st_mtime_ns}"


def _encode_shard(
    keys: Sequence[Key], load: Callable[[Key], Any], encoder: Encoder[Any], batch_size: int, bar: tqdm
) -> np.ndarray:
    vectors = []
    with ThreadPoolExecutor(LOADERS) as pool:
        batches = [keys[start : start + batch_size] for start in range(0, len(keys), batch_size)]
        ahead = [pool.submit(lambda batch: list(map(load, batch)), batch) for batch in batches[:2]]
        for number, batch in enumerate(batches):
            if number + 2 < len(batches):
                ahead.append(pool.submit(lambda later: list(map(load, later)), batches[number + 2]))
            loaded = ahead[number].result()
            ahead[number] = None  # type: ignore[call-overload]
            vectors.append(encoder.encode(loaded))
            bar.update(len(batch))
    return np.concatenate(vectors)


def _save(path: Path, vectors: np.ndarray) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, vectors, allow_pickle=False)


def _fingerprint(parts: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:24]
