"""Fetching pictures from a server on this machine that misbehaves in every known way."""

import asyncio
import math
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.pictures.addresses import RefusedLink, checked_link, is_public
from recbole_mmm4rec.prepare.pictures.download import OUT_OF_TIME, DownloadOptions, download
from tests.prepare.picture_server import PictureServer, serving

FAST = DownloadOptions(8, rate=0, retries=1, backoff=0.01, timeout=5.0, allow_private=True)
IMPATIENT = DownloadOptions(8, rate=0, retries=1, backoff=0.01, timeout=0.4, allow_private=True)


@pytest.fixture(scope="module")
def server() -> Iterator[PictureServer]:
    with serving() as running:
        yield running


def _get(
    tmp_path: Path, links: dict[str, str], options: DownloadOptions = FAST
) -> tuple[dict[str, Path], dict[str, str]]:
    return download(links, tmp_path / "images", tmp_path, options)


@pytest.mark.parametrize(
    ("path", "reason", "requests"),
    [
        ("/missing", "HTTP 404", 1),
        ("/broken", "HTTP 503", 2),
        ("/truncated", "truncated", 2),
        ("/half", "damaged or truncated", 1),
        ("/html", "an HTML page instead of a picture", 1),
        ("/disguised", "no picture, or of an unknown format", 1),
        ("/empty", "0 bytes", 1),
        ("/pixel", "1 pixel wide or high, a placeholder", 1),
        ("/large", "too large", 1),
        ("/endless", "too large", 1),
        ("/loop", "too many redirects", 6),
        ("/to-file", "link is neither http nor https", 1),
        ("/to-ftp", "link is neither http nor https", 1),
        ("/nowhere", "redirect without a target", 1),
        ("/to-nonsense", "redirect is malformed", 1),
    ],
)
def test_failures(tmp_path: Path, server: PictureServer, path: str, reason: str, requests: int) -> None:
    server.asked.clear()
    found, gone = _get(tmp_path, {"a": server.base + path})
    assert found == {}
    assert gone == {"a": reason}
    assert server.asked[path] == requests
    assert list((tmp_path / "images").iterdir()) == []


SLOW = ["stalled", "drip", "slowly", "slow-status", "slow-header", "slow-sizes", "slow-trailers"]
SLOW += ["continue", "flood"]


@pytest.mark.parametrize("path", SLOW)
def test_slow_answers_end_in_time(tmp_path: Path, server: PictureServer, path: str) -> None:
    """A byte now and then keeps no request longer than its deadline, wherever in the answer it comes."""
    start = time.monotonic()
    assert _get(tmp_path, {"a": f"{server.base}/{path}"}, IMPATIENT)[1] == {"a": "timed out"}
    assert time.monotonic() - start < 10


def test_a_server_that_never_answers_and_one_that_never_accepts(tmp_path: Path) -> None:
    """The deadline begins before the connection: a full queue of connections is not waited for either."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening:
        port = listening.getsockname()[1]
        held = [socket.socket() for _ in range(4)]
        for one in held:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        links = {token: f"http://127.0.0.1:{port}/{token}" for token in "ab"}
        links["c"] = f"https://127.0.0.1:{port}/c"
        start = time.monotonic()
        assert _get(tmp_path, links, IMPATIENT)[1] == dict.fromkeys("abc", "timed out")
        assert time.monotonic() - start < 10
        for one in held:
            one.close()


def test_a_name_that_is_never_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        answered.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    start = time.monotonic()
    assert _get(tmp_path, {"a": "http://hangs.example/a"}, IMPATIENT)[1] == {"a": "timed out"}
    assert time.monotonic() - start < 10
    answered.set()


def test_all_pictures_have_a_deadline_too(tmp_path: Path, server: PictureServer) -> None:
    links = {"ok": f"{server.base}/ok", **{str(n): f"{server.base}/drip/{n}" for n in range(50)}}
    options = replace(FAST, concurrency=2, timeout=60, total_timeout=1.0)
    start = time.monotonic()
    found, gone = _get(tmp_path, links, options)
    assert time.monotonic() - start < 10
    assert set(found) == {"ok"}
    assert gone == {str(n): OUT_OF_TIME for n in range(50)}
    assert [path.name for path in (tmp_path / "images").iterdir()] == ["ok.jpg"]
    links["0"] = f"{server.base}/ok"
    assert set(_get(tmp_path, {"ok": links["ok"], "0": links["0"]})[0]) == {"ok", "0"}  # nothing is given up


def test_inside_a_running_loop(tmp_path: Path, server: PictureServer) -> None:
    """As in a notebook."""

    async def cell() -> dict[str, Path]:
        return _get(tmp_path, {"a": f"{server.base}/ok"})[0]

    assert set(asyncio.run(cell())) == {"a"}


def test_the_checked_address_is_the_one_that_is_asked(
    tmp_path: Path, server: PictureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that resolves to another address the second time gains nothing; the server learns the name."""
    port = server.server_address[1]
    answers = iter([[(0, 0, 0, "", ("127.0.0.1", port))]])
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: next(answers))
    found, gone = _get(tmp_path, {"a": f"http://shop.example:{port}/ok/named"})
    assert (set(found), gone) == ({"a"}, {})
    assert server.hosts["/ok/named"] == f"shop.example:{port}"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl, which makes the certificate, is absent")
def test_the_certificate_must_be_for_the_name_in_the_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=shop.example", "-addext", "subjectAltName=DNS:shop.example"]
    subprocess.run([*command, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serving((certificate, key)) as server:
        port = server.server_address[1]
        found_at = [(0, 0, 0, "", ("127.0.0.1", port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found_at)
        links = {"a": f"https://shop.example:{port}/ok", "b": f"https://other.example:{port}/ok"}
        found, gone = _get(tmp_path, links)
    assert (set(found), gone) == ({"a"}, {"b": "bad certificate"})


def test_no_cookies(tmp_path: Path, server: PictureServer) -> None:
    server.asked.clear()
    options = replace(FAST, concurrency=1)
    _get(tmp_path, {str(number): f"{server.base}/cookie/{number}" for number in range(3)}, options)
    assert server.asked == {"/cookie/0": 1, "/cookie/1": 1, "/cookie/2": 1}
    assert server.cookies == []


def test_successes(tmp_path: Path, server: PictureServer) -> None:
    paths = {"a": "/ok", "b/../c": "/png", "d": "/flaky/1", "e": "/moved", ".f": "/ok?x=ä b"}
    found, gone = _get(tmp_path, {token: server.base + path for token, path in paths.items()})
    assert gone == {}
    assert set(found) == set(paths)
    # the ending follows the content, and no token leads out of the folder
    names = sorted(path.name for path in (tmp_path / "images").iterdir())
    assert names == ["%2Ef.jpg", "a.jpg", "b%2F..%2Fc.png", "d.jpg", "e.jpg"]
    for path in found.values():
        Image.open(path).load()


def test_a_second_run_asks_only_for_what_may_still_come(tmp_path: Path, server: PictureServer) -> None:
    server.asked.clear()
    links = {token: f"{server.base}/{token}" for token in ("ok", "missing", "broken")}
    first = _get(tmp_path, links)
    (tmp_path / "images" / "rest.part").write_bytes(b"x")
    assert _get(tmp_path, links) == first
    assert server.asked == {"/ok": 1, "/missing": 1, "/broken": 4}
    assert not (tmp_path / "images" / "rest.part").exists()


@pytest.mark.parametrize(
    ("path", "options", "reason"),
    [
        ("ok", DownloadOptions(1, rate=0, retries=0), "link leads to a private address"),
        ("ok", replace(FAST, max_bytes=9), "too large"),
        ("missing", FAST, "HTTP 404"),
    ],
)
def test_other_options_or_another_link_are_asked_anew(
    tmp_path: Path, server: PictureServer, path: str, options: DownloadOptions, reason: str
) -> None:
    assert _get(tmp_path, {"a": f"{server.base}/{path}"}, options) == ({}, {"a": reason})
    found, gone = _get(tmp_path, {"a": f"{server.base}/ok"})
    assert (set(found), gone) == ({"a"}, {})


def test_a_picture_of_a_former_link_goes(tmp_path: Path, server: PictureServer) -> None:
    _get(tmp_path, dict.fromkeys("ab", f"{server.base}/ok"))
    found, gone = _get(tmp_path, {"a": f"{server.base}/png", "b": f"{server.base}/missing"})
    assert gone == {"b": "HTTP 404"}
    assert [path.name for path in (tmp_path / "images").iterdir()] == ["a.png"] == [found["a"].name]


def test_private_addresses_are_refused(tmp_path: Path, server: PictureServer) -> None:
    public_only = DownloadOptions(2, rate=0, retries=0)
    server.asked.clear()
    links = {
        "a": f"{server.base}/ok",
        "b": "http://localhost:1/x",
        "c": "file:///etc/passwd",
        "d": "http://[::1",
    }
    assert _get(tmp_path, links, public_only)[1] == {
        "a": "link leads to a private address",
        "b": "link leads to a private address",
        "c": "link is neither http nor https",
        "d": "link is malformed",
    }
    assert not server.asked


def test_a_redirect_to_a_private_address_is_refused(
    tmp_path: Path, server: PictureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recbole_mmm4rec.prepare.pictures import addresses

    # this machine's own server plays the public one
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1")
    found, gone = _get(tmp_path, {"a": f"{server.base}/to-private"}, DownloadOptions(1, rate=0, retries=0))
    assert (found, gone) == ({}, {"a": "link leads to a private address"})


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("::ffff:10.0.0.1", False),
        ("2002:0a00:0001::", False),
        ("2002:0808:0808::", True),  # 6to4
        ("64:ff9b::8.8.8.8", True),  # NAT64
        ("64:ff9b::127.0.0.1", False),
        ("64:ff9b::10.0.0.1", False),
        ("64:ff9b::169.254.169.254", False),
        ("64:ff9b:1::8.8.8.8", False),
        ("64:ff9b:1:ffff::1", False),
        ("::ffff:8.8.8.8", True),
        ("::ffff:127.0.0.1", False),
        ("::127.0.0.1", False),
        ("::10.0.0.1", False),
        ("::8.8.8.8", False),
        ("::", False),
        ("fec0::1", False),
        ("feff::1", False),
        ("fc00::1", False),
        ("2001:0:0a00:0001::f5ff:fffe", False),  # Teredo of 10.0.0.1
        ("2001:0:4136:e378:8000:63bf:80ff:fffe", False),  # Teredo of 127.0.0.1
        ("ff02::1", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize("url", ["gopher://x/", "//x/a.jpg", "http:///a.jpg", "http://x:port/", ""])
def test_malformed_links(url: str) -> None:
    with pytest.raises(RefusedLink):
        checked_link(url)


def test_the_rate_is_kept(tmp_path: Path, server: PictureServer) -> None:
    links = {str(number): f"{server.base}/ok/{number}" for number in range(11)}
    start = time.monotonic()
    found, _ = _get(tmp_path, links, DownloadOptions(8, rate=20, allow_private=True))
    assert time.monotonic() - start >= 0.45
    assert len(found) == 11


@pytest.mark.parametrize(
    "options",
    [
        {"rate": "fast"},
        {"allow_private": 1},
        {"retries": -1},
        {"speed": 1},
        {"retries": 1.5},
        {"timeout": 0},
        {"backoff": math.inf},
    ],
)
def test_options(options: dict[str, object]) -> None:
    with pytest.raises(UserError, match="download_options"):
        DownloadOptions.checked(options)
