"""A model of another package, installed by pip: it trains, resumes, transfers, is benchmarked and tuned."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from recbole_mmm4rec import register_model, run
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.catalogue import known_models
from recbole_mmm4rec.model.base import MultiModalRecommender

SOURCE = Path(__file__).parent / "outside_package"
SHORT = ["--show_progress=False", "--train_batch_size=64"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the outside package was installed."""
    folder = tmp_path_factory.mktemp("site")
    copy = tmp_path_factory.mktemp("source")
    for path in SOURCE.rglob("*.*"):
        target = copy / path.relative_to(SOURCE)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*install, f"--target={folder}", str(copy)], check=True)
    return folder


class Outside:
    """Runs commands with the outside package on the path."""

    def __init__(self, site: Path, folder: Path) -> None:
        paths = [str(site), str(Path(__file__).parents[2])]
        self.environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        self.folder = folder

    def __call__(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "recbole_mmm4rec", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout + done.stderr

    def newest(self, pattern: str) -> str:
        """The newest file of a pattern."""
        return str(max(self.folder.glob(pattern), key=lambda path: path.stat().st_mtime_ns))


@pytest.fixture
def outside(site: Path, tiny: Path, in_tmp: Path) -> Outside:
    return Outside(site, in_tmp)


def test_it_has_a_name_and_help(outside: Outside) -> None:
    assert "of other packages: MeanRec" in outside("models")
    assert "start_scale=1.0" in outside("train", "--help", "--model=MeanRec")


def test_it_trains_resumes_and_transfers(outside: Outside) -> None:
    train = ["train", "--model=MeanRec", "--dataset=tiny", *SHORT]
    assert "test result" in outside(*train, "--epochs=2")
    state = outside.newest("saved/*.last.pth")
    assert "Resume training from epoch 2" in outside(*train, f"--resume={state}", "--epochs=3")
    outside(*train, "--epochs=1", "--stage=pretrain", "--checkpoint_dir=pre")
    model = next(path for path in (outside.folder / "pre").glob("*.pth") if "last" not in path.name)
    assert "pre-trained" in outside(*train, "--epochs=1", f"--pretrained={model}")


def test_it_is_benchmarked_and_tuned(outside: Outside) -> None:
    outside("benchmark", "MeanRec,Pop", "--dataset=tiny", "--epochs=1", *SHORT)
    assert "MeanRec" in Path(outside.newest("benchmark_results/*/report.html")).read_text()
    (outside.folder / "small.hyper").write_text("start_scale choice [0.5,2.0]\n")
    outside("tune", "small.hyper", "--model=MeanRec", "--dataset=tiny", "--epochs=1", *SHORT)
    assert "start_scale" in Path(outside.newest("tuning_results/*/best.yaml")).read_text()


class Own(MultiModalRecommender):
    """A class from a notebook."""

    def __init__(self, config, dataset):
        from torch import nn

        super().__init__(config, dataset)
        self.items = nn.Embedding(self.n_items, config["width"])

    def item_table(self, items=None):
        return {"item": self.items.weight if items is None else self.items(items)}

    def encode(self, table, item_seq, lengths, context):
        return table["item"][item_seq].sum(1)

    def candidates(self, table, items=None):
        return table["item"]


OWN = {"epochs": 1, "show_progress": False, "hidden_size": 8}


@pytest.mark.usefixtures("tiny")
def test_a_class_runs_without_being_registered() -> None:
    result = run(Own, "tiny", config_dict={**OWN, "width": 8})
    assert "ndcg@10" in result["test_result"]


@pytest.mark.usefixtures("tiny")
def test_a_key_that_nothing_sets_names_itself() -> None:
    with pytest.raises(UserError, match="Own reads width, which no property file or flag sets"):
        run(Own, "tiny", config_dict=OWN)


def test_a_name_is_registered_once_and_not_twice_by_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recbole_mmm4rec.host.catalogue._registered", {})
    register_model(Own, properties={"width": 8})
    assert "Own" in known_models()
    with pytest.raises(UserError, match="'SASRec' is the name of a model that exists already"):
        register_model("somewhere:SASRec")
    with pytest.raises(UserError, match=r"'Own' is not of the form 'package\.module:Class'"):
        register_model("Own")
    with pytest.raises(UserError, match=r"property file 'no\.yaml' does not exist"):
        register_model(Own, properties="no.yaml")
