"""Whole runs of models of every kind: same splits, facts of the run, checkpoints that load."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recbole.data import data_preparation

from recbole_mmm4rec import load_data_and_model
from recbole_mmm4rec.data import MultiModalDataset
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.host.datasets import create_dataset
from recbole_mmm4rec.nn.negatives import NegativeSampler
from recbole_mmm4rec.prepare.cli import main as prepare_main
from recbole_mmm4rec.quick_start import run
from recbole_mmm4rec.quick_start.run_key import settings_of
from recbole_mmm4rec.quick_start.training_run import build_model
from recbole_mmm4rec.training.trainer import MultiModalTrainer
from tests.conftest import SMALL

QUIET = {"show_progress": False, "epochs": 2, "train_batch_size": 64}
KINDS = ["MMM4Rec", "SASRec", "BPR", "Pop", "EASE", "LightGCN", "DeepFM", "DIEN"]


def held_out(config: Any, phase: int) -> dict[str, str]:
    """User token -> held-out item token; phase 1 is validation, 2 is test."""
    loader = data_preparation(config, create_dataset(config))[phase]
    rows = loader.dataset.inter_feat if hasattr(loader.dataset, "inter_feat") else loader.dataset
    batch = rows[torch.arange(len(rows))]
    batch = batch if hasattr(batch, "interaction") else batch.cut()
    data = loader._dataset
    users, items = data.id2token("user_id", batch["user_id"]), data.id2token("item_id", batch["item_id"])
    return dict(zip(users.tolist(), items.tolist(), strict=True))


def expected(folder: Path, phase: int) -> dict[str, str]:
    """The last or last but one item of each user, from the file itself."""
    rows = [line.split("\t") for line in (folder / f"{folder.name}.inter").read_text().splitlines()[1:]]
    if len(rows[0]) > 2:
        rows.sort(key=lambda row: float(row[2]))
    history: dict[str, list[str]] = {}
    for user, item, *_ in rows:
        history.setdefault(user, []).append(item)
    return {user: items[-1 if phase == 2 else -2] for user, items in history.items()}


@pytest.mark.parametrize("model", ["SASRec", "BPR", "DIEN", "DeepFM", "MMM4Rec"])
@pytest.mark.parametrize("phase", [1, 2])
def test_every_kind_of_model_has_the_exact_split(model: str, phase: int, tiny: Path) -> None:
    config = RunConfig(model, "tiny", config_dict=SMALL if model == "MMM4Rec" else {})
    assert held_out(config, phase) == expected(tiny, phase)


@pytest.mark.parametrize("model", ["SASRec", "BPR"])
def test_without_times_the_file_has_the_order(model: str, timeless: Path) -> None:
    config = RunConfig(model, "timeless")
    assert held_out(config, 2) == expected(timeless, 2)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("model", KINDS)
def test_a_run_reports_and_loads_again(model: str, in_tmp: Path) -> None:
    values = {**QUIET, **({**SMALL, "epochs": 2} if model == "MMM4Rec" else {})}
    result = run(model, "tiny", config_dict=values)
    names = {f"{metric}@{k}" for metric in ("recall", "ndcg", "mrr") for k in (10, 20, 50)}
    assert set(result["test_result"]) == names
    assert result["valid_score_bigger"] is True
    assert 1 <= result["epochs"] <= 2
    assert result["best_epoch"] in range(result["epochs"])
    assert result["seconds"] > 0
    torch.load(result["checkpoint"], weights_only=True)
    config, network, *_ = load_data_and_model(result["checkpoint"])
    assert config["model"] == model
    assert not [path for path in (in_tmp / "saved").iterdir() if path.suffix == ".tmp"]
    assert type(network).__name__ == model


@pytest.mark.usefixtures("tiny")
def test_a_seed_repeats_a_run() -> None:
    first, second = (run("SASRec", "tiny", config_dict={**QUIET, "hidden_size": 16}) for _ in range(2))
    assert first["best_valid_score"] == second["best_valid_score"]
    assert first["test_result"] == second["test_result"]


@pytest.mark.usefixtures("tiny")
def test_a_built_in_model_resumes() -> None:
    short = run("BPR", "tiny", config_dict={**QUIET, "epochs": 1})
    longer = run("BPR", "tiny", config_dict={**QUIET, "epochs": 2, "resume": short["checkpoint"]})
    assert longer["epochs"] == 1


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("model", ["BPR", "DeepFM"])
def test_a_finished_run_that_goes_on_keeps_its_best_model(model: str) -> None:
    """RecBole wrote the epoch -1 over it, and no one could read the file any more."""
    path = run(model, "tiny", config_dict={**QUIET, "epochs": 1})["checkpoint"]
    before = Path(path).read_bytes()
    run(config_dict={"resume": path, "epochs": 1})
    assert Path(path).read_bytes() == before
    untrained = run(model, "tiny", config_dict={**QUIET, "epochs": 0})["checkpoint"]
    assert run(config_dict={"resume": untrained, "epochs": 1})["epochs"] == 1


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("model", ["BPR", "SASRec"])
@pytest.mark.parametrize(
    "value", [{"valid_metric": "Recall@10"}, {"eval_args": {"mode": "uni20"}}, {"rank_seen": False}]
)
def test_scores_of_other_kinds_are_not_compared(model: str, value: dict[str, Any]) -> None:
    path = run(model, "tiny", config_dict={**QUIET, "epochs": 1})["checkpoint"]
    (key,) = value
    with pytest.raises(UserError, match=f"cannot be resumed, the scores of its epochs are of {key} "):
        run(config_dict={"resume": path, "epochs": 2, **value})


def test_a_run_of_recboles_trainer_goes_on_with_its_files_and_the_rate_it_is_given(tiny: Path) -> None:
    path = run("BPR", "tiny", config_dict={**QUIET, "epochs": 1})["checkpoint"]
    still = run(config_dict={"resume": path, "epochs": 2, "learning_rate": 1e-30})["checkpoint"]
    before, after = (torch.load(each, weights_only=True)["state_dict"] for each in (path, still))
    assert all(torch.equal(before[name], after[name]) for name in before)
    with (tiny / "tiny.inter").open("a") as file:
        file.write("u0\ti1\t9e8\n")
    with pytest.raises(UserError, match=r"the dataset is another one, tiny\.inter changed"):
        run(config_dict={"resume": path, "epochs": 2})


@pytest.mark.usefixtures("tiny")
def test_a_run_goes_on_in_its_folder() -> None:
    path = run("SASRec", "tiny", config_dict={**QUIET, "epochs": 1, "hidden_size": 16})["checkpoint"]
    assert run(config_dict={"resume": path, "epochs": 1, "checkpoint_dir": "saved"})["checkpoint"] == path
    with pytest.raises(UserError, match="checkpoint_dir: a run that goes on writes into the folder of saved"):
        run(config_dict={"resume": path, "epochs": 2, "checkpoint_dir": "elsewhere"})
    assert not Path("elsewhere").exists()


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("model", "values"),
    [
        ("SASRec", {**QUIET, "hidden_size": 16, "topk": [5], "valid_metric": "NDCG@5", "patience": 7}),
        ("MMM4Rec", {**SMALL, "stage": "pretrain", "use_time": False}),
        ("DeepFM", {**QUIET, "threshold": None, "train_neg_sample_args": {"sample_num": 2}}),
    ],
)
def test_a_resumed_run_takes_everything_from_its_checkpoint(
    model: str, values: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    first = run(model, "tiny", config_dict={**values, "epochs": 1, "seed": 7})
    before = RunConfig(model, "tiny", config_dict={**values, "epochs": 1, "seed": 7})
    config = RunConfig(config_dict={"resume": first["checkpoint"], "epochs": 3, "patience": 2})
    then, now = settings_of(before), settings_of(config)
    changed = {"epochs": 3, "patience": 2, "stopping_step": 1}
    assert now == then | changed
    caplog.clear()
    longer = run(config_dict={"resume": first["checkpoint"], "epochs": 2})
    assert longer["epochs"] == (1 if model == "DeepFM" else 2)  # of RecBole's own trainer, since the resume
    assert not [line for line in caplog.messages if "was set otherwise" in line]


@pytest.mark.usefixtures("tiny")
def test_a_resumed_run_stays_what_it_was() -> None:
    path = run("SASRec", "tiny", config_dict={**QUIET, "epochs": 1, "hidden_size": 16})["checkpoint"]
    for given, said in (
        (("BPR", None), "model 'SASRec', which cannot go on as 'BPR'"),
        ((None, "timeless"), "dataset 'tiny', which cannot go on as 'timeless'"),
    ):
        with pytest.raises(UserError, match=said) as caught:
            run(*given, config_dict={"resume": path})
        assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("tiny")
def test_a_fine_tuned_run_resumes_with_its_frozen_encoder() -> None:
    small = {**QUIET, "hidden_size": 16, "n_exps": 2, "epochs": 1}
    before = run("UniSRec", "tiny", config_dict={**small, "stage": "pretrain"})
    first = run("UniSRec", "tiny", config_dict={**small, "pretrained": before["checkpoint"]})
    assert run(config_dict={"resume": first["checkpoint"], "epochs": 2})["epochs"] == 2


@pytest.mark.usefixtures("tiny")
def test_a_built_in_model_does_not_resume_what_is_no_checkpoint(in_tmp: Path) -> None:
    (in_tmp / "text.pth").write_text("hello")
    torch.save({"state_dict": {}}, in_tmp / "half.pth")
    for name in ("text.pth", "half.pth"):
        with pytest.raises(UserError, match=f"resume: {name} is not a checkpoint of a run"):
            run("BPR", "tiny", config_dict={**QUIET, "resume": name})


@pytest.mark.usefixtures("tiny")
def test_cut_offs_beyond_the_items_are_refused() -> None:
    with pytest.raises(UserError, match=r"topk: 500 exceeds the \d+ items of 'tiny'"):
        run("BPR", "tiny", config_dict={**QUIET, "topk": [10, 500]})


@pytest.mark.usefixtures("tiny")
def test_nothing_is_saved_when_not_wanted() -> None:
    result = run("BPR", "tiny", config_dict=QUIET, saved=False)
    assert result["checkpoint"] is None
    assert result["test_result"]


@pytest.mark.usefixtures("tiny")
def test_a_saved_dataset_serves_the_next_run() -> None:
    for _ in range(2):
        assert run("BPR", "tiny", config_dict={**QUIET, "save_dataset": True})["test_result"]


@pytest.mark.usefixtures("tiny")
def test_pretraining_holds_nothing_out_and_can_be_loaded(in_tmp: Path) -> None:
    before = run("MMM4Rec", "tiny", config_dict={**SMALL, "stage": "pretrain"})
    assert before["test_result"] is None
    _, network, *_ = load_data_and_model(before["checkpoint"])
    assert not [name for name in network.state_dict() if name.startswith(network.item_bound)]
    after = run("MMM4Rec", "tiny", config_dict={**SMALL, "pretrained": before["checkpoint"]})
    assert after["test_result"]["recall@50"] > 0


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(("model", "lacking"), [("FDSA", "column 'class'"), ("KSR", "tiny.ent")])
def test_what_a_model_of_recbole_lacks_is_named(model: str, lacking: str) -> None:
    with pytest.raises(UserError, match=lacking):
        run(model, "tiny", config_dict=QUIET)


@pytest.mark.usefixtures("tiny", "in_tmp")
def test_negatives_are_those_of_the_seed_and_popularity_that_of_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[list[int]] = []
    real = NegativeSampler.shared

    def watched(self: Any, count: int) -> tuple[Any, Any]:
        items, log_expected = real(self, count)
        drawn.append(items.tolist())
        return items, log_expected

    monkeypatch.setattr(NegativeSampler, "shared", watched)
    keys = {"objective": "sampled", "negatives": "popularity", "num_negatives": 8}
    runs = []
    for seed in (1, 1, 2):
        run("MMM4Rec", "tiny", config_dict={**SMALL, **keys, "seed": seed})
        runs.append(list(drawn))
        drawn.clear()
    assert runs[0] == runs[1] != runs[2]
    config = RunConfig("MMM4Rec", "tiny", config_dict={**SMALL, **keys})
    train = data_preparation(config, create_dataset(config))[0]._dataset
    counts = build_model(config, train).objective.sampler.weights
    in_training = torch.bincount(train[torch.arange(len(train))]["item_id"], minlength=len(counts))
    assert torch.equal(counts[1:], in_training[1:].clamp_min(1))


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ("MMM4Rec", ["text", "audio"]),
        ("M3Rec", ["text", "image", "audio"]),
        ("HM4SR", ["text", "image", "audio"]),
        ("UniSRec", ["audio"]),
    ],
)
def test_imported_audio_is_trained_on(
    model: str, named: list[str], tiny: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for modality, width in (("audio", 5), ("image", 7)):
        vectors = np.random.default_rng(width).normal(size=(60, width)).astype(np.float32)
        np.savez(tiny / "vectors.npz", ids=[f"i{item}" for item in range(60)], embeddings=vectors)
        given = ["import", "tiny", f"--modality={modality}", f"--file={tiny / 'vectors.npz'}"]
        assert prepare_main(given) == 0
    values = {"epochs": 1, "show_progress": False, "hidden_size": 16, "train_batch_size": 64}
    values |= {"head_dim": 16, "d_state": 8, "n_groups": 2} if model == "MMM4Rec" else {}
    result = run(model, "tiny", config_dict=values | {"modalities": named})
    assert 0 <= result["test_result"]["recall@10"] <= 1
    with caplog.at_level("INFO"):
        MultiModalDataset(RunConfig(model, "tiny", config_dict=values | {"modalities": None}))
    assert any("tiny.audio.parquet" in line for line in caplog.messages if "leaves out" in line)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("model", "line"),
    [
        ("SASRec", "recbole-mmm4rec recommend {} --users=histories.csv --output=lists.csv"),
        ("FPMC", "not with this checkpoint: FPMC cannot be rebuilt from items only"),
        ("BPR", None),
    ],
)
def test_a_run_ends_with_the_command_that_recommends(
    model: str, line: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    result = run(model, "tiny", config_dict={**QUIET, "epochs": 1})
    last = caplog.messages[-1]
    assert line is None or line.format(result["checkpoint"]) in last
    assert ("recommend" in last) is (line is not None)


@pytest.mark.usefixtures("tiny")
def test_what_is_not_a_checkpoint_is_refused_before_data_are_read(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recbole_mmm4rec.quick_start.whole_run.create_dataset", lambda _: pytest.fail("read"))
    (in_tmp / "notes.pth").write_text("not a checkpoint")
    for name, said in (("absent.pth", "absent.pth"), ("notes.pth", "notes.pth: not a checkpoint")):
        with pytest.raises(UserError, match=said):
            run("MMM4Rec", "tiny", config_dict=SMALL | {"pretrained": name})


@pytest.mark.usefixtures("tiny")
def test_an_interrupted_run_names_the_file_to_go_on_from(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish, passed = MultiModalTrainer._valid_epoch, []

    def interrupt(self: MultiModalTrainer, *given: Any, **more: Any) -> Any:
        passed.append(1)
        if len(passed) == 2:
            raise KeyboardInterrupt
        return finish(self, *given, **more)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(MultiModalTrainer, "_valid_epoch", interrupt)
        run("MMM4Rec", "tiny", config_dict=SMALL | QUIET)
    log = next((in_tmp / "log" / "MMM4Rec").iterdir()).read_text()
    told = re.search(r"interrupted; --resume=(\S+\.last\.pth) goes on after", log)
    assert told is not None
    assert run("MMM4Rec", "tiny", config_dict={"resume": told[1], "show_progress": False})["epochs"] == 2
