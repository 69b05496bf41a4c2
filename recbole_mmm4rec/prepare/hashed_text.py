"""Texts -> vectors with scikit-learn only: TF-IDF with SVD, or word hashing with a fixed projection."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from recbole_mmm4rec.errors import UserError

SEED = 2024
WORD = r"(?u)\b\w+\b"
"""A word may have one character: "iPhone 5" is not "iPhone 6", and many Chinese words are one character."""
HASHED = "hashed words of one character or more, fixed random projection"
_TOO_LITTLE = "text_encoder tfidf needs at least two texts and two different words; hashed needs fewer"


def unit_rows(matrix: np.ndarray) -> np.ndarray:
    """Rows of (N, D) scaled to length 1 as float32; a zero row stays zero."""
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return (matrix / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)


def tfidf_vectors(texts: Sequence[str], dimension: int = 128) -> tuple[np.ndarray, dict[str, Any]]:
    """TF-IDF of words, reduced by a truncated SVD, rows of length 1: ((N, D) float32, metadata).

    The space is fitted to these very texts, so it cannot be compared with another dataset's. A text without a
    word has a row of zeros. Raises ``UserError`` for texts too few for that.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    try:
        counts = TfidfVectorizer(sublinear_tf=True, token_pattern=WORD).fit_transform(texts)
    except ValueError as error:  # scikit-learn's answer to texts without a word
        raise UserError(_TOO_LITTLE) from error
    if min(counts.shape) < 2:
        raise UserError(_TOO_LITTLE)
    dimension = min(dimension, counts.shape[1] - 1, counts.shape[0] - 1)
    reduced = TruncatedSVD(dimension, random_state=SEED).fit_transform(counts)
    return unit_rows(reduced), {"encoder": "TF-IDF + truncated SVD (scikit-learn)", "dimension": dimension}


def hashed_vectors(texts: Sequence[str], dimension: int = 256) -> tuple[np.ndarray, dict[str, Any]]:
    """Hashed words times one fixed Gaussian matrix, rows of length 1: ((N, D) float32, metadata).

    Nothing is fitted: equal words give equal vectors in every dataset, so a model can move between them.
    A text without a word has a row of zeros.
    """
    from sklearn.feature_extraction.text import HashingVectorizer

    hasher = HashingVectorizer(
        n_features=1 << 14, alternate_sign=False, norm=None, token_pattern=WORD, dtype=np.float32
    )
    projection = np.random.default_rng(SEED).standard_normal((1 << 14, dimension), dtype=np.float32)
    return unit_rows(hasher.transform(texts) @ projection), {"encoder": HASHED, "dimension": dimension}
