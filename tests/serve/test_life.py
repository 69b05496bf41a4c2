"""From the first request to the last one: keys, newer checkpoints, signals to stop."""

import base64
import os
import shutil
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest

from recbole_mmm4rec.recommend.loading import load
from tests.programs import finish, until
from tests.serve.shop import Server, checkpoint, client, other_checkpoint, running

KEY = "kéy with spaces"
ASKED: dict[str, Any] = {"history": ["i5"], "times": [1.5e9], "k": 57}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint that is served, in a folder of its own."""
    path = tmp_path_factory.mktemp("served") / "m.pth"
    shutil.copy(checkpoint(), path)
    return path


@pytest.fixture(scope="module")
def guarded(place: Path) -> Iterator[Server]:
    """A server with a key, that looks often for a newer checkpoint."""
    with running(place, "--watch=0.05", RECBOLE_MMM4REC_API_KEY=KEY) as started:
        yield started


@pytest.fixture
def ask(guarded: Server) -> Iterator[httpx.Client]:
    with client(guarded, headers={"Authorization": b"Bearer " + KEY.encode()}) as asking:
        yield asking


def items_of(path: Path) -> list[str]:
    return load(path, "cpu").recommend(ASKED["history"], ASKED["times"], k=ASKED["k"])["item"].tolist()


def listed(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [row["item"] for row in answer.json()["results"][0]["items"]]


def replace(place: Path, other: Path) -> None:
    """As a training run does: under another name, then renamed."""
    copy = place.with_name("new.pth")
    shutil.copy(other, copy)
    os.replace(copy, place)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": KEY.encode()},
        {"Authorization": b"bearer " + KEY.encode()},
        {"Authorization": "Basic " + base64.b64encode(f"anybody:{KEY}".encode()).decode()},
    ],
)
def test_a_key_opens(guarded: Server, headers: dict[str, Any]) -> None:
    with client(guarded, headers=headers) as asking:
        assert asking.post("/recommend", json=ASKED).status_code == 200
        assert asking.get("/openapi.json").json()["security"] == [
            {"bearer": []},
            {"header": []},
            {"basic": []},
        ]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": "wrong"},
        {"X-API-Key": KEY.encode() + b"2"},
        {"Authorization": KEY.encode()},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic not-base-64"},
        {"Authorization": "Basic " + base64.b64encode(KEY.encode()).decode()},
    ],
)
def test_all_but_health_is_closed_without_it(guarded: Server, headers: dict[str, Any]) -> None:
    with client(guarded, headers=headers) as asking:
        for path in ("/recommend", "/reload", "/nothing"):
            assert asking.post(path, json=ASKED).status_code == 401
        for path in ("/", "/docs", "/openapi.json", "/metrics", "/items", "//health"):
            answer = asking.get(path)
            assert answer.status_code == 401
            assert answer.json() == {"detail": "a valid API key is needed"}
            assert answer.headers["www-authenticate"].startswith("Basic ")
        assert asking.get("/health").status_code == 200


def test_a_newer_checkpoint_takes_over_and_no_request_is_dropped(
    guarded: Server, ask: httpx.Client, place: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.pth"
    other_checkpoint(other)
    old, new = items_of(checkpoint()), items_of(other)
    assert old != new
    stop, found = Event(), []

    def asking() -> None:
        with client(guarded, headers=ask.headers) as mine:
            while not stop.is_set():
                found.append(listed(mine.post("/recommend", json=ASKED)))

    def served() -> list[str]:
        return listed(ask.post("/recommend", json=ASKED))

    with ThreadPoolExecutor(4) as threads:
        try:
            loops = [threads.submit(asking) for _ in range(4)]
            for _ in range(2):
                replace(place, other)
                until(lambda: served() == new, 60)
                replace(place, checkpoint())
                until(lambda: served() == old, 60)
        finally:
            stop.set()
        for loop in loops:
            loop.result()
    assert {tuple(one) for one in found} == {tuple(old), tuple(new)}
    assert ask.get("/health").json()["generation"] >= 5


def test_a_damaged_file_leaves_the_model_and_is_reported(ask: httpx.Client, place: Path) -> None:
    before = ask.get("/health").json()
    place.write_bytes(checkpoint().read_bytes()[:5000])  # in place, and only half of it
    until(lambda: ask.get("/health").json()["status"] == "stale", 60)
    assert listed(ask.post("/recommend", json=ASKED)) == items_of(checkpoint())
    answer = ask.post("/reload")
    assert answer.status_code == 409
    assert answer.json()["detail"] == (
        "m.pth: not a checkpoint, or a damaged one (cannot be read to its end); "
        "the model before it is still served"
    )
    lines = ask.get("/metrics").text.splitlines()
    refused = next(
        line for line in lines if line.startswith('recbole_mmm4rec_reloads_total{result="refused"}')
    )
    assert float(refused.split()[1]) >= 2
    place.unlink()
    assert ask.post("/reload").status_code == 409
    replace(place, checkpoint())
    until(lambda: ask.get("/health").json()["status"] == "ok", 60)
    assert ask.get("/health").json()["generation"] == before["generation"] + 1


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="a system without SIGHUP")
def test_reload_on_request_and_by_signal(guarded: Server, ask: httpx.Client) -> None:
    first = ask.get("/health").json()["generation"]
    assert ask.post("/reload").json()["generation"] == first + 1
    guarded.process.send_signal(signal.SIGHUP)
    until(lambda: ask.get("/health").json()["generation"] == first + 2, 60)


def test_it_stops_when_it_has_answered() -> None:
    with running(checkpoint(), "--batch-wait=1000") as started, client(started) as asking:
        with ThreadPoolExecutor(1) as threads:
            begun = time.monotonic()
            late = threads.submit(asking.post, "/recommend", json=ASKED)
            with client(started) as other:
                until(lambda: "requests_in_flight 2.0" in other.get("/metrics").text, 60)
            started.process.send_signal(signal.SIGTERM)
            assert len(listed(late.result())) == 57
            assert time.monotonic() - begun > 1
        assert finish(started.process) == (0, "")
        with pytest.raises(httpx.ConnectError):
            httpx.get(started.url, trust_env=False)


def test_ctrl_c_stops_it_too(guarded: Server) -> None:
    """The last test here: it takes the others' server away."""
    guarded.process.send_signal(signal.SIGINT)
    code, said = finish(guarded.process)
    assert code == 0
    assert [line for line in said.splitlines() if "m.pth: " not in line] == []
