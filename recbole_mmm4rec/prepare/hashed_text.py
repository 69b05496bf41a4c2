"""Texts -> vectors with scikit-learn only: TF-IDF with SVD, or word hashing with a fixed projection."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from recbole_mmm4rec.errors import UserError

SEED = 2024
_CJK = (
    "\u1100-\u11ff\u3005-\u3007\u3040-\u312f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\uff66-\uffdc\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
"""Chinese, Japanese and Korean letters, which are written without spaces or with words joined."""
_RUN = re.compile(rf"([{_CJK}]+)|[^\W{_CJK}]+")
HASHED = "hashed words, bigrams of Chinese, Japanese and Korean letters, fixed random projection"
"""In the metadata of a feature file. It changes whenever the same text gets another vector."""
_TOO_LITTLE = "text_encoder tfidf needs at least two texts and two different words; hashed needs fewer"


def words(text: str) -> list[str]:
    """Return the words of a text; a run of Chinese, Japanese or Korean letters gives its pairs of letters.

    Nothing but a dictionary tells where a word ends in such a run, and whole runs would make two titles that
    differ in one letter unrelated. A word may have one letter: "iPhone 5" is not "iPhone 6".
    """
    return [word for run in _RUN.finditer(text) for word in _words_of(run)]


def _words_of(run: re.Match[str]) -> Iterator[str]:
    letters = run[1]
    if letters is None or len(letters) == 1:
        yield run[0]
    else:
        yield from (letters[place : place + 2] for place in range(len(letters) - 1))


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
        counter = TfidfVectorizer(sublinear_tf=True, tokenizer=words, token_pattern=None)
        counts = counter.fit_transform(texts)
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
        n_features=1 << 14,
        alternate_sign=False,
        norm=None,
        tokenizer=words,
        token_pattern=None,
        dtype=np.float32,
    )
    projection = np.random.default_rng(SEED).standard_normal((1 << 14, dimension), dtype=np.float32)
    return unit_rows(hasher.transform(texts) @ projection), {"encoder": HASHED, "dimension": dimension}
