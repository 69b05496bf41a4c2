"""Which names datasets and modalities may have, and that every command looks before it touches anything."""

import shutil
from pathlib import Path

import pytest

from recbole_mmm4rec.cli.run_recbole import main as train
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.host.config import RunConfig
from recbole_mmm4rec.names import check_dataset_name, check_modality_name, dataset_files
from recbole_mmm4rec.prepare.cli import main as prepare
from recbole_mmm4rec.prepare.staging import replace_folder

GOOD = [
    "a",
    "ml-100k",
    "amazon_2018.v1",
    "my shop",
    "5",
    "Bücher",
    "cafe\u0301",
    "本屋",
    "हिन्दी",
    "a+b",
    "_x",
    "x" * 100,
]
ODD = ["", ".", "..", "../evil", "a/b", "/tmp", "a\\b", ".hidden", "a.", " a", "a ", "-a", "a\n", "a\0b", "~"]
ODD += ["a[b]", "a*", "a:b", "a\u200bb", "\ud800", "é" * 51, "x" * 101]


@pytest.mark.parametrize("name", GOOD)
def test_good_names(name: str) -> None:
    check_dataset_name(name)
    if "." not in name:
        check_modality_name(name)


@pytest.mark.parametrize("name", [*ODD, None, 5, ["a"]])
def test_odd_names(name: object) -> None:
    for kind, check in (("dataset", check_dataset_name), ("modality", check_modality_name)):
        with pytest.raises(UserError, match=f"cannot be the name of a {kind}") as told:
            check(name)
        assert "\n" not in str(told.value)


@pytest.mark.parametrize("name", ["a.b", "id"])
def test_names_that_only_a_dataset_may_have(name: str) -> None:
    check_dataset_name(name)
    with pytest.raises(UserError, match="cannot be the name of a modality"):
        check_modality_name(name)


COMMANDS = [
    ["{}", "--source=raw", "--layout=table", "--overwrite"],
    ["merge", "{}", "--datasets", "kept", "other", "--overwrite"],
    ["merge", "all", "--datasets", "kept", "{}"],
    ["import", "{}", "--modality=text", "--file=v.npy", "--overwrite"],
    ["import-unisrec", "{}", "--source=raw", "--overwrite"],
    ["inspect", "{}", "--page=page.html"],
]
MODALITIES = [
    ["import", "kept", "--modality={}", "--file=v.npy", "--overwrite"],
    ["merge", "all", "--datasets", "kept", "other", "--modalities", "{}"],
    ["new", "--source=raw", "--layout=table", "--features={{'{}': kept.inter}}"],
]


@pytest.fixture
def datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two datasets in ``atomic_data``, raw files beside it; everything that is there, as paths."""
    monkeypatch.chdir(tmp_path)
    for name in ("kept", "other"):
        folder = tmp_path / "atomic_data" / name
        folder.mkdir(parents=True)
        (folder / f"{name}.inter").write_text("user_id:token\titem_id:token\nu\ti\n")
        (folder / f"{name}.item").write_text("item_id:token\ttitle:token_seq\ni\tone\n")
    (tmp_path / "raw").mkdir()
    rows = "".join(f"u{user},i{item}\n" for user in range(5) for item in range(5))
    (tmp_path / "raw" / "interactions.csv").write_text("user_id,item_id\n" + rows)
    items = "".join(f"i{item},title {item}\n" for item in range(5))
    (tmp_path / "raw" / "items.csv").write_text("item_id,title\n" + items)
    (tmp_path / "raw" / "kept.inter").touch()
    return _everything(tmp_path)


def _everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


ODD_NAMES = [
    *(("dataset", command, name) for command in COMMANDS for name in ("", ".", "../evil", ".hidden")),
    *(("modality", command, name) for command in MODALITIES for name in ("", "a.b", "../x", "id")),
]


@pytest.mark.parametrize(("kind", "command", "name"), ODD_NAMES)
def test_no_command_touches_anything_for_an_odd_name(
    tmp_path: Path,
    datasets: list[str],
    capsys: pytest.CaptureFixture[str],
    kind: str,
    command: list[str],
    name: str,
) -> None:
    assert prepare([part.format(name) for part in command]) == 2
    _refused(capsys, kind)
    assert _everything(tmp_path) == datasets


def _refused(capsys: pytest.CaptureFixture[str], kind: str) -> None:
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert f"cannot be the name of a {kind}" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("name", ["", ".", "../evil"])
def test_no_training_on_an_odd_dataset(in_tmp: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert train(["--model=SASRec", f"--dataset={name}"]) == 2
    error = capsys.readouterr().err
    assert ("cannot be the name of a dataset" if name else "'dataset' is empty") in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert list(in_tmp.iterdir()) == []


def test_a_config_file_without_a_dataset_takes_the_default(in_tmp: Path) -> None:
    for value, told in (("''", "dataset: expected a text that is not empty"), ("2018", "2018")):
        (in_tmp / "run.yaml").write_text(f"dataset: {value}\n")
        with pytest.raises(UserError, match=told):
            RunConfig("SASRec", config_file_list=["run.yaml"])
    (in_tmp / "run.yaml").write_text("dataset: ~\n")
    assert RunConfig("SASRec", config_file_list=["run.yaml"])["dataset"] == "ml-100k"


@pytest.mark.parametrize("held", ["a thesis", "a link", "a file", "nothing of it", "a dangling link"])
def test_overwrite_replaces_only_the_folder_of_a_dataset(
    tmp_path: Path, datasets: list[str], capsys: pytest.CaptureFixture[str], held: str
) -> None:
    target, precious = tmp_path / "atomic_data" / "shop", tmp_path / "precious"
    precious.mkdir()
    (precious / "shop.inter").write_text("mine")
    if held == "a link":
        target.symlink_to(precious)
    elif held == "a dangling link":
        target.symlink_to(tmp_path / "nowhere")
    elif held == "a file":
        target.write_text("mine")
    else:
        target.mkdir()
        (target / ("shop.inter" if held == "a thesis" else "shop.text.parquet")).write_text("x")
        (target / ("thesis.tex" if held == "a thesis" else "shop.note")).write_text("mine")
    before = _everything(tmp_path)
    commands = [
        ["shop", "--source=raw", "--layout=table", "--overwrite"],
        ["merge", "shop", "--datasets", "kept", "other", "--overwrite"],
    ]
    for command in commands:
        assert prepare(command) == 2
        error = capsys.readouterr().err
        assert "--overwrite replaces only the folder of a dataset" in error
        assert error.count("\n") == 1
        assert _everything(tmp_path) == before
    if held == "a thesis":
        (target / "thesis.tex").unlink()
        (target / "images").mkdir()
        assert all(prepare(command) == 0 for command in commands)
        assert _everything(target) == ["shop.inter", "shop.item"]


def test_an_empty_folder_is_replaced(tmp_path: Path, datasets: list[str]) -> None:
    (tmp_path / "atomic_data" / "shop").mkdir()
    assert prepare(["merge", "shop", "--datasets", "kept", "other"]) == 2
    assert prepare(["merge", "shop", "--datasets", "kept", "other", "--overwrite"]) == 0


def test_a_dataset_cannot_be_merged_into_itself(
    tmp_path: Path, datasets: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare(["merge", "kept", "--datasets", "kept", "other", "--overwrite"]) == 2
    assert "'kept' cannot be both" in capsys.readouterr().err
    assert _everything(tmp_path) == datasets


@pytest.mark.parametrize(
    "command",
    [
        ["kept", "--source=raw", "--layout=table"],
        ["merge", "kept", "--datasets", "other", "third"],
    ],
)
def test_a_dataset_that_a_killed_run_left_aside_is_put_back(
    tmp_path: Path, datasets: list[str], capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    data = tmp_path / "atomic_data"
    before = _everything(data / "kept")
    (data / ".kept.old-1").mkdir()
    (data / "kept").rename(data / ".kept.old-1" / "old")
    shutil.copytree(data / "other", data / "third")
    for path in (data / "third").iterdir():
        path.rename(path.with_name(path.name.replace("other", "third")))
    assert prepare(command) == 2
    assert "kept exists already" in capsys.readouterr().err
    assert _everything(data / "kept") == before
    assert not (data / ".kept.old-1").exists()
    assert prepare([*command, "--overwrite"]) == 0
    assert sorted(path.name for path in data.iterdir()) == ["kept", "other", "third"]


def test_a_failed_exchange_leaves_the_old_dataset(tmp_path: Path, datasets: list[str]) -> None:
    with pytest.raises(FileNotFoundError):
        replace_folder(tmp_path / "nothing", tmp_path / "atomic_data" / "kept")
    assert _everything(tmp_path) == datasets


def test_the_files_of_a_dataset_begin_with_its_name_and_a_dot(tmp_path: Path) -> None:
    for name in ("a.inter", "a.text.parquet", "a-b.inter", "ab.inter", ".a.inter"):
        (tmp_path / name).touch()
    (tmp_path / "a.folder").mkdir()
    assert [path.name for path in dataset_files(tmp_path, "a")] == ["a.inter", "a.text.parquet"]
    assert dataset_files(tmp_path / "absent", "a") == []
