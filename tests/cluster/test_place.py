"""Where a process stands, by torchrun's environment."""

from typing import Any

import pytest

from recbole_mmm4rec.cluster.place import torchrun_place
from recbole_mmm4rec.errors import UserError

TORCHRUN = {
    "RANK": "3",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "GROUP_RANK": "1",
    "MASTER_ADDR": "10.0.0.1",
    "MASTER_PORT": "29500",
    "TORCHELASTIC_USE_AGENT_STORE": "True",
}


def test_torchruns_environment() -> None:
    place = torchrun_place(TORCHRUN)
    assert place is not None
    assert (place.rank, place.world_size, place.local_rank, place.host) == (3, 4, 1, "1")
    assert (place.address, place.port, place.holds_store) == ("10.0.0.1", 29500, False)
    assert str(place) == "process 3 of 4"


def test_process_0_opens_the_port_that_no_agent_holds() -> None:
    first = torchrun_place({**TORCHRUN, "RANK": "0", "TORCHELASTIC_USE_AGENT_STORE": "False"})
    assert first is not None
    assert first.holds_store


def test_a_process_that_no_launcher_started() -> None:
    assert torchrun_place({"WORLD_SIZE": "4"}) is None
    assert torchrun_place({"RANK": "0", "WORLD_SIZE": "1"}) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"LOCAL_RANK": None}, "RANK and WORLD_SIZE without LOCAL_RANK; torchrun sets them all"),
        ({"RANK": "x"}, "RANK is 'x', not a whole number"),
        ({"RANK": "4"}, "RANK 4 is not below WORLD_SIZE 4"),
    ],
)
def test_a_bad_environment_is_one_line(change: dict[str, Any], message: str) -> None:
    environment = {name: value for name, value in {**TORCHRUN, **change}.items() if value is not None}
    with pytest.raises(UserError, match=message):
        torchrun_place(environment)
