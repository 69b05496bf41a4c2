"""RecBole's flags of processes, and what they refuse."""

import pytest

from recbole_mmm4rec.cli.run_recbole import main
from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.quick_start.launch import Launch


def test_recboles_flags() -> None:
    place_flags = {"nproc": "2", "world_size": "4", "ip": "10.0.0.1", "port": "6000", "group_offset": "2"}
    flags = place_flags | {"seed": "1"}
    launch = Launch.of_flags(flags)
    assert flags == {"seed": "1"}
    place = launch.place(1, 6000)
    assert (place.rank, place.world_size, place.local_rank, place.address) == (3, 4, 1, "10.0.0.1")
    assert not place.holds_store
    assert launch.place(0, 6000).host == place.host != Launch(world_size=4).place(0, 6000).host


def test_without_a_world_size_all_processes_are_here() -> None:
    for flags in ({"nproc": "3"}, {"nproc": "3", "world_size": "-1"}):
        launch = Launch.of_flags(flags)
        assert (launch.size, launch.one_host) == (3, True)
    assert not Launch().given()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"world_size": "1", "nproc": "2"}, "--world_size=1 is less than the 0 processes before"),
        ({"group_offset": "1"}, "--world_size=1 is less than the 1 processes before"),
        ({"port": "70000"}, "--port expects a number from 1 to 65535"),
        ({"port": "x"}, "--port expects a whole number, got 'x'"),
        ({"heartbeat_timeout": "1"}, "--heartbeat_timeout expects seconds from 3"),
    ],
)
def test_what_does_not_go_together_is_refused(flags: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Launch.of_flags(flags)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--benchmark=Pop"], "--benchmark and torchrun do not go together"),
        (["--nproc=2"], "--nproc and torchrun do not go together"),
    ],
)
def test_beside_torchrun(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = {"RANK": 0, "WORLD_SIZE": 2, "LOCAL_RANK": 0, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": 29500}
    for name, value in place.items():
        monkeypatch.setenv(name, str(value))
    assert main([*arguments, "--dataset=tiny"]) == 2
    assert message in capsys.readouterr().err
