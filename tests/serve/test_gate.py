"""The gate before a real server: the key first, bodies that arrive slowly or never, and how much is held."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import uvicorn

from recbole_mmm4rec.serve.bodies import Bodies
from recbole_mmm4rec.serve.gate import Gate
from tests.serve.shop import Server, checkpoint, client, running

KEY = "secret"


class Echo:
    """An application that answers with the size of the body, once ``go`` is set, and notes what it held."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()
        self.inside = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for _ in range(2):
                await send({"type": f"{(await receive())['type']}.complete"})
            return
        self.inside += 1
        body = b"" if scope["path"] == "/health" else (await receive())["body"]
        while scope["path"] != "/health" and not self.go.is_set():
            await asyncio.sleep(0.01)
        self.inside -= 1
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"8")]})
        await send({"type": "http.response.body", "body": f"{len(body):08d}".encode()})


@contextmanager
def behind(app: Echo, **limits: Any) -> Iterator[tuple[str, int]]:
    """The address of a server in this process."""
    bound = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(Gate(app, **limits), log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        yield bound.getsockname()
    finally:
        app.go.set()
        server.should_exit = True
        thread.join(20)
        bound.close()


def connected(
    address: tuple[str, int], length: int, sent: bytes = b"", path: str = "/ask", key: str = KEY
) -> socket.socket:
    """A connection on which a request of ``length`` bytes was begun."""
    line = socket.create_connection(address, timeout=30)
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\nContent-Length: {length}\r\n\r\n"
    line.sendall(head.encode() + sent)
    return line


def heard(line: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += (more := line.recv(2**16))
        assert more, data
    head, _, body = data.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (entry.split(": ", 1) for entry in rest)}
    while len(body) < int(headers["content-length"]):
        body += line.recv(2**16)
    return int(first.split()[1]), headers, body


def until(condition: Any) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_bodies_that_never_end_keep_nobody_from_an_answer() -> None:
    app = Echo()
    with behind(app, api_key=KEY, max_in_flight=2) as address, ExitStack() as lines:
        for _ in range(20):
            lines.enter_context(connected(address, 100, b"begun"))
        with connected(address, 3, b"abc") as other:
            assert heard(other)[::2] == (200, b"00000003")


def test_a_body_that_does_not_arrive_in_time_is_refused_and_its_connection_ends() -> None:
    app = Echo()
    with behind(app, bodies=Bodies(seconds=0.3)) as address, connected(address, 100, b"begun") as line:
        status, headers, body = heard(line)
        assert (status, headers["connection"]) == (408, "close")
        assert json.loads(body) == {"detail": "the request's body did not arrive within 0.3 s"}
        assert line.recv(1) == b""


def test_a_slow_body_within_its_time_is_read() -> None:
    app = Echo()
    with behind(app, bodies=Bodies(seconds=20)) as address, connected(address, 6, b"ab") as line:
        for part in (b"cd", b"ef"):
            time.sleep(0.05)
            line.sendall(part)
        assert heard(line)[::2] == (200, b"00000006")


def test_the_key_comes_before_the_body() -> None:
    app = Echo()
    with behind(app, api_key=KEY) as address, connected(address, 100, b"", key="wrong") as line:
        assert heard(line)[0] == 401


def test_a_slot_is_taken_by_whole_requests_only_and_health_needs_none() -> None:
    app = Echo()
    app.go.clear()
    with behind(app, max_in_flight=1) as address, ExitStack() as lines:
        first = lines.enter_context(connected(address, 1, b"a"))
        until(lambda: app.inside == 1)
        with connected(address, 1, b"b") as second:
            status, headers, body = heard(second)
            assert (status, headers["retry-after"]) == (503, "1")
            assert json.loads(body) == {"detail": "1 requests are being answered already"}
        with connected(address, 0, path="/health", key="wrong") as watcher:
            assert heard(watcher)[0] == 200
        app.go.set()
        assert heard(first)[0] == 200
        with connected(address, 1, b"c") as third:
            assert heard(third)[0] == 200


def test_an_unfinished_body_for_health_holds_nothing() -> None:
    app = Echo()
    with behind(app, max_in_flight=1, bodies=Bodies(seconds=60)) as address, ExitStack() as lines:
        for _ in range(3):
            assert heard(lines.enter_context(connected(address, 100, b"x", path="/health")))[0] == 200
        with connected(address, 1, b"a") as line:
            assert heard(line)[0] == 200


def test_the_bytes_of_all_bodies_have_a_limit_and_are_given_back() -> None:
    app = Echo()
    bodies = Bodies(largest=1000, together=2500, seconds=60)
    with behind(app, bodies=bodies) as address, ExitStack() as lines:
        held = [lines.enter_context(connected(address, 1000, bytes(999))) for _ in range(2)]
        until(lambda: bodies._held == 1998)
        with connected(address, 1000, bytes(1000)) as third:
            status, headers, body = heard(third)
            assert (status, headers["connection"]) == (503, "close")
            assert "are being answered already" in json.loads(body)["detail"]
        for line in held:
            line.sendall(b"x")
            assert heard(line)[::2] == (200, b"00001000")
        until(lambda: bodies._held == 0)
        gone = connected(address, 1000, bytes(500))
        until(lambda: bodies._held == 500)
        gone.close()
        until(lambda: bodies._held == 0)
        with connected(address, 1001, bytes(1001)) as large:
            assert heard(large)[0] == 413
        until(lambda: bodies._held == 0)


def test_more_unfinished_bodies_than_requests_at_a_time(server: Server) -> None:
    check_unfinished_bodies(server)


def test_more_unfinished_bodies_than_requests_at_a_time_with_a_key() -> None:
    with running(checkpoint(), f"--api-key={KEY}") as server:
        check_unfinished_bodies(server, KEY)


def check_unfinished_bodies(server: Server, key: str = "") -> None:
    """They keep nobody from an answer."""
    with ExitStack() as lines:
        host, port = server.url.removeprefix("http://").split(":")
        for _ in range(300):
            lines.enter_context(connected((host, int(port)), 100, b"{", "/recommend", "wrong"))
        with client(server, headers={"X-API-Key": key}) as asking:
            assert asking.get("/health").status_code == 200
            assert asking.post("/recommend", json={"history": ["i5"], "k": 2}).status_code == 200
