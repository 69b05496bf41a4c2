"""A checkpoint to share says nothing about the machine that it was made on."""

import zipfile
from pathlib import Path
from typing import Any

import pytest

from recbole_mmm4rec import load_data_and_model
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.quick_start import run
from tests.conftest import SMALL
from tests.quick_start.test_whole_run import QUIET

MODELS: list[tuple[str, dict[str, Any]]] = [("MMM4Rec", SMALL), ("BPR", {**QUIET, "epochs": 1})]


def texts_of(path: str) -> bytes:
    """Every byte of a checkpoint, its archive unpacked."""
    with zipfile.ZipFile(path) as archive:
        return b"".join(name.encode() + archive.read(name) for name in archive.namelist())


@pytest.mark.parametrize(("model", "values"), MODELS)
def test_no_checkpoint_names_a_folder(
    model: str, values: dict[str, Any], tiny: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data, elsewhere = str(tiny.parent), tmp_path_factory.mktemp("elsewhere")
    places = {"data_path": data, "checkpoint_dir": str(elsewhere / "saved")}
    result = run(model, "tiny", config_dict={**values, **places})
    files = list((elsewhere / "saved").glob("*.pth"))
    assert files
    for path in files:
        content = texts_of(str(path))
        assert b"tiny" in content
        for word in (str(tiny.parents[1]), str(elsewhere), str(Path.home())):
            assert word.encode() not in content
    assert load_data_and_model(result["checkpoint"])[0]["data_path"] == "atomic_data/tiny"


@pytest.mark.parametrize(("model", "values"), MODELS)
def test_the_data_may_lie_elsewhere_where_it_is_loaded(
    model: str, values: dict[str, Any], tiny: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    moved = tmp_path_factory.mktemp("elsewhere")
    (moved / "tiny").mkdir()
    for path in tiny.iterdir():
        (moved / "tiny" / path.name).write_bytes(path.read_bytes())
        path.unlink()
    result = run(model, "tiny", config_dict={**values, "data_path": str(moved)})
    with pytest.raises(UserError, match="no dataset 'tiny' in 'atomic_data'"):
        load_data_and_model(result["checkpoint"])
    config, *_ = load_data_and_model(result["checkpoint"], data_path=str(moved))
    assert config["data_path"] == str(moved / "tiny")
    again = {"resume": result["checkpoint"], "data_path": str(moved), "epochs": 2}
    assert run(config_dict=again)["test_result"]


@pytest.mark.usefixtures("tiny")
def test_a_resumed_run_goes_on_in_the_folder_of_its_checkpoint(in_tmp: Path) -> None:
    first = run("BPR", "tiny", config_dict={**QUIET, "epochs": 1, "checkpoint_dir": str(in_tmp / "kept")})
    run(config_dict={"resume": first["checkpoint"], "epochs": 2})
    assert not (in_tmp / "saved").exists()
