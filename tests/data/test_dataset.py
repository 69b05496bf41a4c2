"""The dataset against RecBole's own, sample by sample, and the batches of this package's models."""

from __future__ import annotations

import copy
import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recbole.data import data_preparation
from recbole.data.dataset import SequentialDataset
from recbole.data.interaction import Interaction

from recbole_mmm4rec.data import MultiModalDataset
from recbole_mmm4rec.data.real_counts import RealCounts
from recbole_mmm4rec.data.windows import Windows
from recbole_mmm4rec.errors import UserError
from tests.data.conftest import MakeConfig, Trimming, Writer


def everything(dataset: SequentialDataset) -> Interaction:
    return dataset[np.arange(len(dataset))]


def assert_equal_batches(ours: Interaction, theirs: Interaction) -> None:
    assert ours.columns == theirs.columns
    for name in theirs.columns:
        assert ours[name].dtype == theirs[name].dtype, name
        assert torch.equal(ours[name], theirs[name]), name


class WithoutThePad(RealCounts, SequentialDataset):
    """RecBole's dataset, whose text does not count the pad."""


def assert_equal_datasets(make_config: MakeConfig, model: Any = "SASRec", **keys: Any) -> None:
    """Both build the same three parts, with the same numbers for users and items."""
    theirs = WithoutThePad(make_config(model=model, **keys))
    ours = MultiModalDataset(make_config(model=model, **keys))
    assert str(ours) == str(theirs)
    for field, tokens in theirs.field2id_token.items():
        assert np.array_equal(ours.field2id_token[field], tokens)
        assert ours.field2id_token[field].dtype == tokens.dtype
        assert ours.field2token_id[field] == theirs.field2token_id[field]
    for our_part, their_part in zip(ours.build(), theirs.build(), strict=True):
        assert len(our_part) == len(their_part)
        assert_equal_batches(everything(our_part), everything(their_part))
    assert ours.field2seqlen == theirs.field2seqlen
    assert ours.field2type == theirs.field2type
    assert ours.field2source == theirs.field2source


SPLITS = [
    {"LS": "valid_and_test"},
    {"LS": "valid_only"},
    {"LS": "test_only"},
    {"RS": [0.7, 0.1, 0.2]},
    {"TS": [0.6, 0.2, 0.2]},
]


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("length", [1, 2, 5, 50])
def test_same_samples_as_recbole(
    make_config: MakeConfig, write_inter: Writer, random_rows: Any, split: dict[str, Any], length: int
) -> None:
    write_inter(random_rows())
    keys = {"eval_args": {"split": split, "order": "TO", "mode": "full", "group_by": "user"}}
    assert_equal_datasets(make_config, MAX_ITEM_LIST_LENGTH=length, **keys)


def test_ratio_split_without_groups(make_config: MakeConfig, write_inter: Writer, random_rows: Any) -> None:
    write_inter(random_rows())
    split = {"RS": [0.8, 0.1, 0.1]}
    assert_equal_datasets(
        make_config, eval_args={"split": split, "order": "TO", "mode": "full", "group_by": None}
    )


def test_short_users(make_config: MakeConfig, write_inter: Writer) -> None:
    write_inter([("one", "a", 1), ("two", "a", 1), ("two", "b", 2), *[("three", item, 5) for item in "abc"]])
    assert_equal_datasets(make_config)
    train, valid, test = MultiModalDataset(make_config()).build()
    tokens = train.field2id_token["user_id"]
    assert sorted(tokens[everything(train)["user_id"].numpy()]) == ["three", "two"]
    assert len(valid) == 0
    assert list(tokens[everything(test)["user_id"].numpy()]) == ["three"]


def test_ml_100k_bit_for_bit(make_config: MakeConfig) -> None:
    columns = {"inter": ["user_id", "item_id", "rating", "timestamp"]}
    keys = {"MAX_ITEM_LIST_LENGTH": 50, "load_col": columns}
    theirs = SequentialDataset(make_config("ml-100k", "SASRec", **keys))
    ours = MultiModalDataset(make_config("ml-100k", "SASRec", **keys))
    # float32 cannot hold this file's times: RecBole gets their ranks, which it can, and so sorts them truly
    times = np.unique(theirs.inter_feat["timestamp"])
    theirs.inter_feat["timestamp"] = np.searchsorted(times, theirs.inter_feat["timestamp"]).astype(float)
    stamps = torch.from_numpy(times).float()
    for our_part, their_part in zip(ours.build(), theirs.build(), strict=True):
        own, other = everything(our_part), everything(their_part)
        empty = torch.arange(50) >= other["item_length"][:, None]
        other.update(Interaction({"timestamp": stamps[other["timestamp"].long()]}))
        histories = stamps[other["timestamp_list"].long()].masked_fill(empty, 0.0)
        other.update(Interaction({"timestamp_list": histories}))
        assert_equal_batches(own, other)


def scientific_rows(folder: Path) -> list[tuple[str, str]]:
    with (folder / "amazon-2018-scientific" / "interactions.csv").open() as stream:
        return [(row["user_id"], row["item_id"]) for row in csv.DictReader(stream)]


def test_scientific_without_times_is_recbole_with_line_numbers(
    make_config: MakeConfig, write_inter: Writer, real_data: Path
) -> None:
    rows = scientific_rows(real_data)
    write_inter(rows, header="user_id:token\titem_id:token")
    write_inter([(*row, number) for number, row in enumerate(rows)], name="numbered")
    ours = MultiModalDataset(make_config(model="SASRec", MAX_ITEM_LIST_LENGTH=20))
    theirs = SequentialDataset(make_config("numbered", "SASRec", MAX_ITEM_LIST_LENGTH=20))
    assert not ours.has_time
    parts = [(everything(a), everything(b)) for a, b in zip(ours.build(), theirs.build(), strict=True)]
    assert [len(a) for a, _ in parts] == [59_427 - 3 * 8_442, 8_442, 8_442]
    for own, other in parts:
        for name in ("user_id", "item_id", "item_length", "item_id_list"):
            assert torch.equal(own[name], other[name])
        assert own.columns == ["user_id", "item_id", "item_length", "item_id_list"]


def test_exact_order_where_float32_fails(make_config: MakeConfig, write_inter: Writer) -> None:
    base = 1_500_000_000
    write_inter([("u", "C", base + 2), ("u", "A", base), ("u", "B", base + 1)])
    dataset = MultiModalDataset(make_config())
    train, _, test = dataset.build()
    tokens = dataset.field2id_token["item_id"]
    assert list(tokens[everything(test)["item_id_list"][0]]) == ["A", "B"]
    assert list(tokens[everything(test)["item_id"].numpy()]) == ["C"]
    assert everything(test)["timestamp_list"].tolist() == [[base, base + 1, 0, 0]]
    assert everything(train)["timestamp_list"].dtype == torch.float64


def test_times_below_a_second_and_ties(make_config: MakeConfig, write_inter: Writer) -> None:
    base = 1_600_000_000
    write_inter(
        [("u", "c", f"{base}.75"), ("u", "a", f"{base}.25"), ("u", "b", f"{base}.25"), ("u", "d", base)]
    )
    dataset = MultiModalDataset(make_config())
    *_, test = dataset.build()
    last = everything(test)
    tokens = dataset.field2id_token["item_id"]
    assert list(tokens[last["item_id_list"][0]]) == ["d", "a", "b"]
    assert last["timestamp_list"][0].tolist() == [base, base + 0.25, base + 0.25, 0]


def test_our_batches_hold_the_contract(
    make_config: MakeConfig, write_inter: Writer, random_rows: Any
) -> None:
    rows = [(*row, 3.5) for row in random_rows()]
    write_inter(rows, header="user_id:token\titem_id:token\ttimestamp:float\trating:float")
    dataset = MultiModalDataset(make_config(MAX_ITEM_LIST_LENGTH=9))
    train, *_ = dataset.build()
    short = np.flatnonzero(train.inter_feat["item_length"].numpy() <= 2)
    batch = train[short]
    assert batch.columns == ["user_id", "item_id", "item_length", "item_id_list", "timestamp_list"]
    assert batch["item_id_list"].shape == (len(short), 2)
    assert batch["timestamp_list"].shape == (len(short), 9)
    empty = torch.arange(9) >= batch["item_length"][:, None]
    assert not batch["timestamp_list"][empty].any()
    assert torch.equal(batch["item_id_list"] == 0, empty[:, :2])


def test_our_samples_are_recboles(make_config: MakeConfig, write_inter: Writer, random_rows: Any) -> None:
    write_inter(random_rows())
    ours = MultiModalDataset(make_config(MAX_ITEM_LIST_LENGTH=6)).build()
    theirs = SequentialDataset(make_config(model="SASRec", MAX_ITEM_LIST_LENGTH=6)).build()
    for our_part, their_part in zip(ours, theirs, strict=True):
        own, other = everything(our_part), everything(their_part)
        for name in own.columns:
            wide = other[name][:, : own[name].shape[1]] if own[name].dim() == 2 else other[name]
            assert torch.equal(own[name], wide.to(own[name].dtype))


def test_parts_share_the_flat_interactions(
    make_config: MakeConfig, write_inter: Writer, random_rows: Any
) -> None:
    write_inter(random_rows())
    dataset = MultiModalDataset(make_config())
    train, valid, test = dataset.build()
    flats = [part.inter_feat.flat for part in (train, valid, test, copy.deepcopy(train.inter_feat) and test)]
    assert all(flat is dataset.inter_feat.flat for flat in flats)
    assert copy.deepcopy(train.inter_feat).flat is dataset.inter_feat.flat


@pytest.mark.parametrize("keys", [{"stage": "pretrain"}, {"hold_out": False}])
def test_nothing_held_out(make_config: MakeConfig, write_inter: Writer, random_rows: Any, keys: Any) -> None:
    rows = random_rows()
    write_inter(rows)
    config = make_config(**keys)
    dataset = MultiModalDataset(config)
    train, valid, test = data_preparation(config, dataset)
    assert len(train._dataset) == len(rows) - len({row[0] for row in rows})
    assert not valid
    assert not test
    assert sum(len(batch) for batch in train) == len(train._dataset)
    assert list(valid) == []


def test_hold_out_in_pretraining_on_request(
    make_config: MakeConfig, write_inter: Writer, random_rows: Any
) -> None:
    write_inter(random_rows())
    parts = MultiModalDataset(make_config(stage="pretrain", hold_out=True)).build()
    assert all(len(part) for part in parts)


def test_prepared_by_recbole(make_config: MakeConfig, write_inter: Writer, random_rows: Any) -> None:
    write_inter(random_rows())
    config = make_config()
    train, valid, test = data_preparation(config, MultiModalDataset(config))
    assert all(isinstance(part._dataset.inter_feat, Windows) for part in (train, valid, test))
    batch, _, rows, targets = next(iter(valid))
    assert torch.equal(targets, batch["item_id"])
    assert torch.equal(rows, torch.arange(len(batch)))


@pytest.mark.parametrize("mode", ["uni5", "pop5"])
def test_sampled_evaluation_and_negatives(
    make_config: MakeConfig, write_inter: Writer, random_rows: Any, mode: str
) -> None:
    write_inter(random_rows())
    config = make_config(
        model="SASRec",
        loss_type="BPR",
        train_neg_sample_args={"distribution": "uniform", "sample_num": 1},
        eval_args={"split": {"LS": "valid_and_test"}, "order": "TO", "mode": mode},
    )
    train, valid, _ = data_preparation(config, MultiModalDataset(config))
    assert "neg_item_id" in next(iter(train))
    batch, idx, *_ = next(iter(valid))
    assert len(batch) == len(idx)


def test_counters_and_matrices_as_recbole(
    make_config: MakeConfig, write_inter: Writer, random_rows: Any
) -> None:
    write_inter(random_rows())
    ours = MultiModalDataset(make_config(model="SASRec")).build()[0]
    theirs = SequentialDataset(make_config(model="SASRec")).build()[0]
    assert ours.item_counter == theirs.item_counter
    assert ours.user_counter == theirs.user_counter
    assert ours.avg_actions_of_users == theirs.avg_actions_of_users
    assert (ours.inter_matrix("csr") != theirs.inter_matrix("csr")).nnz == 0
    lengths = [part.history_item_matrix()[2] for part in (ours, theirs)]
    assert torch.equal(*lengths)
    items = ours.inter_feat["item_id_list"]
    assert torch.equal(items[3], theirs.inter_feat["item_id_list"][3])
    assert items.shape == theirs.inter_feat["item_id_list"].shape


def test_load_col_need_not_name_the_time(
    make_config: MakeConfig, write_inter: Writer, random_rows: Any
) -> None:
    write_inter(random_rows())
    assert MultiModalDataset(make_config(load_col={"inter": ["user_id", "item_id"]})).has_time
    assert not MultiModalDataset(make_config(unload_col={"inter": ["timestamp"]})).has_time
    assert not MultiModalDataset(make_config(TIME_FIELD=None)).has_time


def test_no_times_says_so_once(
    make_config: MakeConfig, write_inter: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    write_inter([("u", item) for item in "cab"] + [("v", "c")], header="user_id:token\titem_id:token")
    caplog.set_level("INFO")
    dataset = MultiModalDataset(make_config())
    assert sum("time branch is off" in line for line in caplog.messages) == 1
    *_, test = dataset.build()
    assert everything(test).columns == ["user_id", "item_id", "item_length", "item_id_list"]
    tokens = dataset.field2id_token["item_id"]
    assert list(tokens[everything(test)["item_id_list"][0]]) == ["c", "a"]
    with pytest.raises(UserError, match="TS"):
        MultiModalDataset(make_config(eval_args={"split": {"TS": [0.8, 0.1, 0.1]}, "order": "TO"})).build()


def test_nobody_with_two_interactions(make_config: MakeConfig, write_inter: Writer) -> None:
    write_inter([("u", "a", 1), ("v", "a", 2)])
    with pytest.raises(UserError, match="no user has two interactions"):
        MultiModalDataset(make_config()).build()


def test_unused_columns_are_dropped_as_in_recbole(
    make_config: MakeConfig, write_inter: Writer, random_rows: Any
) -> None:
    write_inter(random_rows())
    theirs = SequentialDataset(make_config(model="SASRec", unused_col={"inter": ["timestamp"]})).build()[0]
    ours = MultiModalDataset(make_config(model="SASRec", unused_col={"inter": ["timestamp"]})).build()[0]
    assert_equal_batches(everything(ours), everything(theirs))


def test_benchmark_files_are_left_to_recbole(make_config: MakeConfig, write_inter: Writer) -> None:
    header = "user_id:token\titem_id_list:token_seq\titem_id:token"
    for part, row in (
        ("train", ("u", "a b", "c")),
        ("valid", ("u", "a b c", "a")),
        ("test", ("u", "c", "b")),
    ):
        write_inter([row, row], header=header, suffix=f"{part}.inter")
    keys = {"benchmark_filename": ["train", "valid", "test"], "alias_of_item_id": ["item_id_list"]}
    assert_equal_datasets(make_config, **keys)
    with pytest.raises(UserError, match="benchmark_filename"):
        MultiModalDataset(make_config(model=Trimming, **keys))


def test_targets_are_counted_in_the_training_part_only(make_config: MakeConfig, write_inter: Writer) -> None:
    write_inter(
        [*[("one", item, time) for time, item in enumerate("abbcd")], *[("two", i, 1) for i in "ebda"]]
    )
    dataset = MultiModalDataset(make_config())
    parts = dataset.build()
    numbers = {token: dataset.token2id("item_id", token) for token in "abcde"}
    counts = [part.target_counts() for part in parts]
    assert [len(count) for count in counts] == [6, 6, 6]
    assert counts[0].dtype == torch.int64
    named = [{t: int(c[n]) for t, n in numbers.items() if c[n]} for c in counts]
    # a b b and e b are trained on; the first of each has no history
    assert named == [{"b": 3}, {"c": 1, "d": 1}, {"d": 1, "a": 1}]
