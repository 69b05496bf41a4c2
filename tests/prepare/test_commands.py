"""What the commands have in common: the folder of the datasets."""

from pathlib import Path

import pytest

from recbole_mmm4rec.prepare.cli import main


@pytest.mark.parametrize("below", ["", "deeper/still"])
@pytest.mark.parametrize(
    "command", ["demo-shop", "my-shop --layout=table --source=.", "split a --parts b c", "inspect demo-shop"]
)
def test_an_output_that_cannot_be_a_folder_is_named(
    command: str, below: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("kept")
    assert main([*command.split(), f"--output={tmp_path / 'file' / below}"]) == 2
    told = f"error: --output: {tmp_path / 'file'} is a file; the folder that holds the datasets is needed\n"
    assert capsys.readouterr().err == told
    assert (tmp_path / "file").read_text() == "kept"
