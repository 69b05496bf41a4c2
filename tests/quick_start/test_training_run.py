"""What starts a run over and what ends it."""

from pathlib import Path
from typing import Any

import pytest

from recbole_mmm4rec.errors import ResumeError, UserError
from recbole_mmm4rec.quick_start import run, training_run


@pytest.mark.parametrize(("error", "begun"), [(ResumeError, [True, False]), (UserError, [True])])
def test_only_what_cannot_be_resumed_starts_over(
    error: type[UserError], begun: list[bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "MMM4Rec.last.pth").touch()
    resumed = []

    def select(config: dict[str, Any], *_: Any, **__: Any) -> None:
        resumed.append(config["resume"] is not None)
        raise error("no")

    monkeypatch.setattr(training_run, "select", select)
    config = {"checkpoint_dir": str(tmp_path), "resume": None}
    with pytest.raises(error):
        training_run.select_or_continue(config, None, None)
    assert resumed == begun


@pytest.mark.usefixtures("tiny")
def test_sizes_that_do_not_go_together_are_told_as_such() -> None:
    """MISSRec looks up a key that it can do without: that is not what is wrong."""
    with pytest.raises(UserError, match="MISSRec: ") as caught:
        run("MISSRec", "tiny", config_dict={"hidden_size": 150, "epochs": 1, "show_progress": False})
    assert "which no property file" not in str(caught.value)
