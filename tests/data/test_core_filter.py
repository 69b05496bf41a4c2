"""The vectorised filter by number of interactions against RecBole's Counters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from recbole.data.dataset import SequentialDataset

from recbole_mmm4rec.data import MultiModalDataset
from recbole_mmm4rec.data.core_filter import Side, codes_of, keep_core
from recbole_mmm4rec.errors import UserError
from tests.data.conftest import MakeConfig, Writer

INTERVALS = [
    ("[5,inf)", "[5,inf)"),
    ("(3,12]", "[0,inf)"),
    (None, "[12,inf)"),
    ("[4,8);[12,20]", None),
    ("[0,inf)", "[4,40]"),
    ("nonsense", "[9,inf)"),
]


def frame_of(feat: pd.DataFrame) -> dict[str, list[Any]]:
    return feat.to_dict("list")


@pytest.mark.parametrize(("users", "items"), INTERVALS)
@pytest.mark.parametrize("with_files", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_keeps_what_recbole_keeps(
    make_config: MakeConfig,
    write_inter: Writer,
    random_rows: Any,
    users: str | None,
    items: str | None,
    with_files: bool,
    seed: int,
) -> None:
    write_inter(random_rows(users=30, items=25, count=260, seed=seed))
    if with_files:
        write_inter([(f"u{n}", n) for n in range(35)], header="user_id:token\tage:float", suffix="user")
        write_inter([(f"00{n}", n) for n in range(3, 30)], header="item_id:token\tprice:float", suffix="item")
    keys = {"user_inter_num_interval": users, "item_inter_num_interval": items}
    theirs = SequentialDataset(make_config(model="SASRec", **keys))
    ours = MultiModalDataset(make_config(model="SASRec", **keys))
    assert frame_of(ours.inter_feat) == frame_of(theirs.inter_feat)
    for name in ("user_feat", "item_feat"):
        assert (getattr(ours, name) is None) == (getattr(theirs, name) is None)
        if getattr(ours, name) is not None:
            pd.testing.assert_frame_equal(getattr(ours, name), getattr(theirs, name))
    for field, tokens in theirs.field2id_token.items():
        assert np.array_equal(ours.field2id_token[field], tokens)


def test_nothing_left_is_one_clear_line(
    make_config: MakeConfig, write_inter: Writer, random_rows: Any
) -> None:
    write_inter(random_rows())
    with pytest.raises(UserError, match="no interaction is left by the filters; see user_inter_num_interval"):
        MultiModalDataset(make_config(user_inter_num_interval="[999,inf)"))


def test_core_repeats_until_stable() -> None:
    # item 1 falls first, which leaves user 1 short, which leaves item 0 short
    users, items = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 2, 0, 1, 2, 0])
    at_least = [Side(codes, np.zeros(3, bool), lambda counts: counts >= 2, 2) for codes in (users, items)]
    kept, gone_users, gone_items = keep_core(*at_least)
    assert gone_items.tolist() == [False, True, False]
    assert gone_users.tolist() == [False, True, False]
    assert kept.tolist() == [True, True, False, False, True, True]


def test_codes_of_text_and_of_categories() -> None:
    column = pd.Series(["b", "a", "b"])
    for form in (column, column.astype("category")):
        codes, values = codes_of(form)
        assert values[codes].tolist() == ["b", "a", "b"]
