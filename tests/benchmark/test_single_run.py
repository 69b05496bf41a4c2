"""One run: what it writes, that it is the run that the quick start would do, and what chooses its epoch."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recbole import data as recbole_data

from recbole_mmm4rec.benchmark import single_run
from recbole_mmm4rec.benchmark.results import finished_run, run_folder
from recbole_mmm4rec.benchmark.run_plan import RunPlan
from recbole_mmm4rec.benchmark.single_run import do_run
from recbole_mmm4rec.benchmark.user_rows import token_hashes
from recbole_mmm4rec.quick_start import run
from tests.benchmark.conftest import OURS, SASREC, MakePlans
from tests.conftest import ITEMS

FIELDS = [
    *(
        "key",
        "task",
        "model",
        "dataset",
        "setting",
        "seed",
        "stage",
        "trial",
        "changes",
        "config",
        "versions",
        "status",
        "error",
    ),
    *("valid", "test", "epochs", "best_epoch", "steps", "steps_to_best"),
    *("seconds", "train_seconds", "train_cpu_seconds", "seconds_per_epoch", "peak_memory_mib", "parameters"),
    *("curve", "pretrain_key", "users", "finished"),
]


def outcome(record: dict[str, Any]) -> dict[str, Any]:
    """What of a record must be the same when the same run is done twice."""
    curve = [{key: point[key] for key in ("epoch", "steps", "valid", "loss")} for point in record["curve"]]
    return {key: record[key] for key in ("valid", "test", "epochs", "best_epoch", "steps")} | {"curve": curve}


def rows_of(folder: Path, record: dict[str, Any]) -> dict[str, np.ndarray]:
    with np.load(folder / record["users"]) as columns:
        return dict(columns)


@pytest.mark.parametrize("setting", [OURS, SASREC, {"model": "BERT4Rec"}, {"model": "BPR"}, {"model": "Pop"}])
def test_a_run_is_the_one_that_the_quick_start_does(
    setting: dict[str, Any], make_plans: MakePlans, in_tmp: Path
) -> None:
    plan = make_plans(setting)[0]
    record = do_run(plan, in_tmp / "out")
    alone = run(plan.model, "tiny", config_dict=plan.values)
    assert list(record) == FIELDS
    assert (record["status"], record["error"]) == ("finished", None)
    assert record["valid"] == pytest.approx(alone["best_valid_result"], abs=1e-4)
    assert record["test"] == pytest.approx(alone["test_result"], abs=1e-4)
    assert (record["epochs"], record["best_epoch"]) == (alone["epochs"], alone["best_epoch"])
    assert record["parameters"] > 0
    assert record["peak_memory_mib"] > 50
    assert record["seconds"] >= record["train_seconds"] > 0
    assert finished_run(in_tmp / "out", plan.key) == record


def test_the_curve_counts_epochs_steps_and_seconds(make_plans: MakePlans, in_tmp: Path) -> None:
    record = do_run(make_plans(SASREC)[0], in_tmp / "out")
    points = record["curve"]
    assert [point["epoch"] for point in points] == [0, 1, 2]
    assert [point["steps"] for point in points] == [record["steps"] * n // 3 for n in (1, 2, 3)]
    assert points[record["best_epoch"]]["valid"] == record["valid"]
    assert points[record["best_epoch"]]["steps"] == record["steps_to_best"]
    assert sorted(point["seconds"] for point in points) == [point["seconds"] for point in points]


@pytest.mark.parametrize("setting", [SASREC, OURS, {"model": "MISSRec"}, {"model": "VQRec"}])
def test_validation_within_epochs_changes_the_curve_alone(
    setting: dict[str, Any], make_plans: MakePlans, in_tmp: Path
) -> None:
    common = {"train_batch_size": 8}
    plain = do_run(make_plans(setting, common=common)[0], in_tmp / "out")
    points = do_run(make_plans(setting, common=common | {"eval_interval_steps": 3})[0], in_tmp / "out")
    ends = [point for point in points["curve"] if point["epoch"] is not None]
    assert outcome(points | {"curve": ends}) == outcome(plain)
    assert len(points["curve"]) > len(ends) + 3
    assert (points["curve"][0]["steps"], points["curve"][0]["epochs"]) == (0, 0)
    assert all(point["steps"] % 3 == 0 and point["valid"] for point in points["curve"] if point not in ends)
    shares = [point["epochs"] / point["steps"] for point in points["curve"][1:]]
    assert shares == pytest.approx([shares[-1]] * len(shares), abs=1e-3)


def test_a_user_is_known_by_the_token_not_by_its_number() -> None:
    one, other = np.array(["[PAD]", "u1", "u2"]), np.array(["[PAD]", "u2", "u3", "u1"])
    assert token_hashes(one)[[1, 2]].tolist() == token_hashes(other)[[3, 1]].tolist()
    assert len({*token_hashes(other).tolist()}) == 4


def test_rows_of_users_give_the_test_metrics(make_plans: MakePlans, in_tmp: Path, tiny: Path) -> None:
    plan = make_plans(SASREC, common={"MAX_ITEM_LIST_LENGTH": 3})[0]
    record = do_run(plan, in_tmp / "out")
    rows = rows_of(in_tmp / "out", record)
    assert {name: column.dtype.name for name, column in rows.items()} == {
        "user": "int64",
        "rank": "int32",
        "tied": "int32",
        "history_length": "int32",
        "item": "int64",
        "item_count": "int32",
        "has_text": "bool",
    }
    hits = rows["rank"] < 10
    gains = np.where(hits, 1 / np.log2(rows["rank"] + 2.0), 0)
    assert record["test"]["recall@10"] == pytest.approx(hits.mean(), abs=1e-4)
    assert record["test"]["ndcg@10"] == pytest.approx(gains.mean(), abs=1e-4)
    assert len(set(rows["user"])) == len(rows["user"])
    assert described(rows) == expected_rows(tiny / "tiny.inter")


def described(rows: dict[str, np.ndarray]) -> Counter[tuple[int, int, bool]]:
    parts = (rows["history_length"], rows["item_count"], rows["has_text"])
    return Counter(zip(*(part.tolist() for part in parts), strict=True))


def expected_rows(file: Path) -> Counter[tuple[int, int, bool]]:
    """The same by hand: everything before the target, whatever the longest history is."""
    events = sorted(
        (line.split("\t") for line in file.read_text().splitlines()[1:]), key=lambda e: float(e[2])
    )
    history: dict[str, list[str]] = {}
    for user, item, _ in events:
        history.setdefault(user, []).append(item)
    training = Counter(item for items in history.values() for item in items[:-2])
    last = f"i{ITEMS - 1}"  # has no text
    return Counter((len(items) - 1, training[items[-1]], items[-1] != last) for items in history.values())


@pytest.mark.parametrize("model", ["BPR", "Pop"])
def test_models_without_ranks_have_no_rows(model: str, make_plans: MakePlans, in_tmp: Path) -> None:
    assert do_run(make_plans({"model": model})[0], in_tmp / "out")["users"] is None


def test_only_pretraining_leaves_a_checkpoint(make_plans: MakePlans, in_tmp: Path) -> None:
    plan = make_plans(OURS | {"pretrain": {"dataset": "same", "epochs": 1, "hold_out": True}})[0]
    assert plan.pretrain is not None
    folder = in_tmp / "out"
    before, after = do_run(plan.pretrain, folder), do_run(plan, folder)
    assert before["stage"] == "pretrain"
    assert after["pretrain_key"] == before["key"]
    assert "pre-trained" in (run_folder(folder, plan.key) / "log.txt").read_text()
    names = {path.name for path in run_folder(folder, plan.key).iterdir()}
    assert names == {"log.txt", "record.json", "users.npz"}
    assert (run_folder(folder, before["key"]) / "model.pth").is_file()
    assert sorted(path.name for path in in_tmp.iterdir()) == ["atomic_data", "out", "some.yaml"]


@pytest.mark.parametrize(
    ("broken", "line"),
    [({"n_heads": 3}, "SASRec: The hidden size"), ({"topk": [5, 500]}, "topk: 500 exceeds the")],
)
def test_a_failed_run_is_one_line(
    broken: dict[str, Any], line: str, make_plans: MakePlans, in_tmp: Path
) -> None:
    record = do_run(make_plans(SASREC, common=broken | {"valid_metric": "NDCG@5"})[0], in_tmp / "out")
    assert record["status"] == "failed"
    assert record["error"].startswith(line)
    assert "\n" not in record["error"]
    assert list(record) == FIELDS


@pytest.mark.parametrize("setting", [OURS, {"model": "BPR"}])
def test_nothing_reads_the_test_data_before_the_model_is_chosen(
    setting: dict[str, Any], make_plans: MakePlans, in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare, select = recbole_data.data_preparation, single_run.select_or_continue
    events: list[str] = []

    def watching(config: Any, dataset: Any) -> tuple[Any, ...]:
        loaders = prepare(config, dataset)
        kind = type(loaders[2])

        def read(self: Any) -> Any:
            events.append("read")
            return kind.__iter__(self)

        loaders[2].__class__ = type("Watched", (kind,), {"__iter__": read})
        return loaders

    def choosing(*args: Any, **kwargs: Any) -> Any:
        assert not any(type(value).__name__ == "Watched" for value in (*args, *kwargs.values()))
        selection = select(*args, **kwargs)
        events.append("chosen")
        return selection

    monkeypatch.setattr(recbole_data, "data_preparation", watching)
    monkeypatch.setattr(single_run, "select_or_continue", choosing)
    record = do_run(make_plans(setting)[0], in_tmp / "out")
    assert record["status"] == "finished"
    assert events == ["chosen", "read"]


def with_first_user(file: Path, targets_seed: int) -> None:
    """Give the file a first user who chose everything, so that item numbers stay; shuffle the test items."""
    head, *lines = file.read_text().splitlines()
    events = sorted((line.split("\t") for line in lines), key=lambda event: (event[0], float(event[2])))
    last = [at for at, event in enumerate(events) if at + 1 == len(events) or events[at + 1][0] != event[0]]
    items = np.random.default_rng(targets_seed).permutation([events[at][1] for at in last])
    for at, item in zip(last, items, strict=True):
        events[at][1] = str(item)
    first = [["first", f"i{item}", str(1_400_000_000 + item)] for item in range(ITEMS)]
    file.write_text("\n".join([head, *("\t".join(event) for event in [*first, *events])]) + "\n")


@pytest.mark.parametrize("setting", [SASREC, OURS])
def test_other_test_items_choose_the_same_model(
    setting: dict[str, Any], make_plans: MakePlans, in_tmp: Path, tiny: Path
) -> None:
    original, outcomes = (tiny / "tiny.inter").read_text(), []
    for seed in (0, 1):
        (tiny / "tiny.inter").write_text(original)
        with_first_user(tiny / "tiny.inter", seed)
        plan: RunPlan = make_plans(setting)[0]
        outcomes.append(outcome(do_run(plan, in_tmp / "out")))
    tests = [one.pop("test") for one in outcomes]
    assert outcomes[0] == outcomes[1]
    assert tests[0] != tests[1]
