"""What every dataset class does with the files it reads: RecBole's own for general models, and ours."""

from __future__ import annotations

from typing import Any

import pytest
from recbole.data.dataset import Dataset

from recbole_mmm4rec.data import MultiModalDataset
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.exact_order import exactly_ordered
from tests.data.conftest import MakeConfig, Writer

BOTH = pytest.mark.parametrize(
    "kind", [MultiModalDataset, exactly_ordered(Dataset)], ids=["ours", "RecBole's"]
)
SPELLINGS = ["NA", "null", "None", "nan", "N/A", "x"]


@BOTH
@pytest.mark.parametrize("quoted", [False, True])
def test_na_and_null_are_ids(make_config: MakeConfig, write_inter: Writer, kind: Any, quoted: bool) -> None:
    rows = [(user, item, place) for user in SPELLINGS for place, item in enumerate(SPELLINGS)]
    path = write_inter([*rows, ('"q"' if quoted else "q", "x", 9)])
    items = "".join(f"{name}\t1999\n" for name in SPELLINGS)
    path.with_suffix(".item").write_text("item_id:token\tyear:token\n" + items)
    dataset = kind(make_config(load_col=None))
    assert dataset.inter_num == 37
    assert dataset.field2id_token["item_id"].tolist() == ["[PAD]", *SPELLINGS]
    assert dataset.field2id_token["user_id"].tolist() == ["[PAD]", *SPELLINGS, "q"]
    assert len(dataset.item_feat) == 7


@BOTH
def test_an_empty_id_is_missing_and_told(
    make_config: MakeConfig, write_inter: Writer, caplog: pytest.LogCaptureFixture, kind: Any
) -> None:
    write_inter([("a", "x", 1), ("", "x", 2), ("a", "", 3), ("a", "NA", 4)])
    dataset = kind(make_config())
    assert dataset.field2id_token["item_id"].tolist() == ["[PAD]", "x", "NA"]
    assert dataset.inter_num == 2
    assert any("missing in line 3, 4" in message for message in caplog.messages)


@BOTH
@pytest.mark.parametrize("time", ["-5", "1e300", "1600000000000"])
def test_a_time_that_is_not_possible(
    make_config: MakeConfig, write_inter: Writer, kind: Any, time: str
) -> None:
    path = write_inter([("u", "a", 1_600_000_000), ("u", "b", time)])
    with pytest.raises(UserError, match="before 1970 or after 2100 in line 3") as caught:
        kind(make_config())
    assert f'{path}: timestamp is before 1970 or after 2100 in line 3 ("{time}")' == str(caught.value)


@BOTH
def test_the_pad_as_a_user_or_item(make_config: MakeConfig, write_inter: Writer, kind: Any) -> None:
    path = write_inter([("u", "a", 1), ("u", "[PAD]", 2)])
    with pytest.raises(UserError, match=r"item_id is \[PAD\].* in line 3"):
        kind(make_config())
    write_inter([("u", "a", 1), ("[PAD]", "b", 2)])
    with pytest.raises(UserError, match=r"user_id is \[PAD\].* in line 3"):
        kind(make_config())
    write_inter([("u", "a", 1), ("u", "b", 2)])
    path.with_suffix(".item").write_text("item_id:token\tname:token_seq\na\tx\n[PAD]\ty\n")
    with pytest.raises(UserError, match=r"shop\.item: item_id is \[PAD\].* in line 3"):
        kind(make_config(load_col=None))
