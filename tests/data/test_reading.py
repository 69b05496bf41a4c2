"""Arrow's reading against pandas' Python engine, which is RecBole's, on files that tempt them to differ."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from recbole.utils.enum_type import FeatureType

from recbole_mmm4rec.data.reading import PANDAS_NULLS, read_columns

COLUMNS = {
    "user_id:token": FeatureType.TOKEN,
    "item_id:token": FeatureType.TOKEN,
    "time:float": FeatureType.FLOAT,
}
HEADER = "user_id:token\titem_id:token\ttime:float\n"


def by_pandas(path: Path) -> pd.DataFrame:
    types = {name: np.float64 if kind == FeatureType.FLOAT else str for name, kind in COLUMNS.items()}
    missing = {
        name: list(PANDAS_NULLS) if kind == FeatureType.FLOAT else [""] for name, kind in COLUMNS.items()
    }
    return pd.read_csv(
        path,
        delimiter="\t",
        usecols=list(COLUMNS),
        dtype=types,
        engine="python",
        keep_default_na=False,
        na_values=missing,
    )


def assert_same(ours: pd.DataFrame, theirs: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(ours.astype(theirs.dtypes.to_dict()), theirs, check_exact=False, rtol=1e-15)


SAME = {
    "numbers as tokens": "007\t1e5\t1\n7\t100000\t2\n+7\t-0\t3\n1.0\t0x1F\t4\n",
    "spaces": " a b \tc  d\t 5 \n  \t \t6\n",
    "unicode": "é\tü😀\t1\n用户\tитем\t2\n",
    "carriage returns": "a\tb\t1\r\nc\td\t2\r\n",
    "blank lines": "a\tb\t1\n\n\nc\td\t2\n",
    "no last newline": "a\tb\t1\nc\td\t2",
    "comment and backslash": "#a\tb\\n\t1\nc\\\td\t2\n",
    "apostrophes and commas": "it's\ta,b\t1\n'x'\t;|\t2\n",
    "signs and exponents": "a\tb\t+3\nc\td\t-1.5e3\ne\tf\t.5\ng\th\t5.\n",
    "long times": "a\tb\t1600000000.123456\nc\td\t1699999999.999\n",
    "infinite": "a\tb\tinf\nc\td\t-Infinity\n",
    "missing": "\tb\t1\na\t\t2\na\tb\t\n",
    "true and false tokens": "True\tFalse\t1\nyes\tno\t2\n",
    "same tokens in both columns": "a\ta\t1\nb\tb\t2\na\tb\t3\n",
    "nulls": "".join(f"{null}\t{null}x\t1\n" for null in PANDAS_NULLS if null),
}


@pytest.mark.parametrize("name", SAME)
def test_reads_as_pandas(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.inter"
    path.write_text(HEADER + SAME[name], encoding="utf-8", newline="")
    ours = read_columns(path, COLUMNS, "\t", None)
    assert ours is not None
    assert_same(ours, by_pandas(path))


LEFT_TO_PANDAS = {
    "quotation marks": '"a\tb"\tc\t1\nd\te\t2\n',
    "short line": "a\tb\nc\td\t2\n",
    "long line": "a\tb\t1\t9\n",
    "text for a number": "a\tb\tsoon\n",
    "truth for a number": "a\tb\tTrue\n",
    "line of spaces": " \nb\tc\t3\n",
    "null byte": "a\0\tb\t1\n",
}


@pytest.mark.parametrize("name", LEFT_TO_PANDAS)
def test_leaves_the_rest_to_pandas(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.inter"
    path.write_text(HEADER + LEFT_TO_PANDAS[name], encoding="utf-8")
    assert read_columns(path, COLUMNS, "\t", None) is None


def test_leaves_other_encodings_separators_and_sequences(tmp_path: Path) -> None:
    path = tmp_path / "x.inter"
    path.write_bytes((HEADER + "é\tb\t1\n").encode("latin-1"))
    assert read_columns(path, COLUMNS, "\t", "latin-1") is None
    assert read_columns(path, COLUMNS, "\t", None) is None
    path.write_text(HEADER + "a\tb\t1\n")
    assert read_columns(path, COLUMNS, "\t\t", None) is None
    assert read_columns(path, COLUMNS | {"tags:token_seq": FeatureType.TOKEN_SEQ}, "\t", None) is None
    assert read_columns(path, COLUMNS, "\t", "UTF8") is not None


def test_tokens_over_many_blocks(tmp_path: Path) -> None:
    path = tmp_path / "x.inter"
    draw = np.random.default_rng(0)
    rows = [f"user-{draw.integers(5_000):030d}\titem-{draw.integers(900):030d}\t{n}\n" for n in range(70_000)]
    path.write_text(HEADER + "".join(rows))
    ours = read_columns(path, COLUMNS, "\t", None)
    assert ours is not None
    theirs = pd.read_csv(path, delimiter="\t", dtype=dict.fromkeys(list(COLUMNS)[:2], str))
    assert_same(ours, theirs.astype({"time:float": float}))


def test_what_is_read_can_be_filled_in_place(tmp_path: Path) -> None:
    path = tmp_path / "x.inter"
    path.write_text(HEADER + "a\tb\t1\n")
    ours = read_columns(path, COLUMNS, "\t", None)
    assert ours is not None
    ours.iloc[0, 2] = 5.0
    assert ours["time:float"].tolist() == [5.0]
