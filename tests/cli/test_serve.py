"""What keeps the service from starting is one line, before anything is answered."""

import socket
from pathlib import Path

import pytest

from recbole_mmm4rec import extras
from recbole_mmm4rec.cli import app
from recbole_mmm4rec.cli.serve import KEY_VARIABLE
from tests.serve.shop import checkpoint

Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["none.pth"], "none.pth: no such checkpoint file"),
        (["."], ".: a folder, not a checkpoint file"),
        (["text.pth"], "text.pth: not a checkpoint"),
        (["{}", "--port=70000"], "port: 70000 is not a whole number from 0 to 65535"),
        (["{}", "--host=no.such.host.invalid"], "no.such.host.invalid:0 cannot be listened on: "),
        (["{}", "--api-key= "], "api_key: it is empty"),
        (["{}", "--watch=-1"], "watch: -1 is not a number of seconds"),
        (["{}", "--watch=nan"], "watch: nan is not a number of seconds"),
        (["{}", "--batch-wait=-1"], "batch_wait: -0.001 is not a number of seconds"),
        (["{}", "--device=gpu9"], "device: 'gpu9' cannot be used"),
        (["{}", "--dataset=nowhere"], "nowhere: not the folder of a dataset"),
        (["{}", "--pictures=nowhere"], "--pictures goes with --dataset"),
    ],
)
def test_one_line_and_2(
    flags: list[str], line: str, in_tmp: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    Path("text.pth").write_text("text")
    given = [flag.format(checkpoint()) for flag in flags]
    assert app.main(["serve", *(["--port=0"] if "--port" not in flags[-1] else []), *given]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("error: ")
    assert line in said[0]


def test_a_port_that_is_taken(in_tmp: Path, capsys: Captured) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert app.main(["serve", str(checkpoint()), f"--port={port}"]) == 2
    assert (
        capsys.readouterr().err == f"error: 127.0.0.1:{port} cannot be listened on: Address already in use\n"
    )


def test_a_missing_extra(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr(extras.importlib.util, "find_spec", lambda name: None if name == "uvicorn" else name)
    assert app.main(["serve", "none.pth"]) == 2
    line = "error: serve needs uvicorn, which is not installed: pip install 'recbole-mmm4rec[serve]'\n"
    assert capsys.readouterr().err == line


def test_help_needs_neither_the_extra_nor_a_checkpoint(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setattr(extras.importlib.util, "find_spec", lambda name: None)
    assert app.main(["serve", "--help"]) == 0
    assert KEY_VARIABLE in capsys.readouterr().out
