"""Fetching pictures from a server on this machine that misbehaves in every known way."""

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from recbole_mmm4rec.errors import UserError
from recbole_mmm4rec.prepare.pictures.addresses import RefusedLink, is_public, open_connection
from recbole_mmm4rec.prepare.pictures.download import DownloadOptions, download
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


@pytest.mark.parametrize("path", ["/stalled", "/drip", "/slowly"])
def test_slow_answers_end_in_time(tmp_path: Path, server: PictureServer, path: str) -> None:
    start = time.monotonic()
    assert _get(tmp_path, {"a": server.base + path}, IMPATIENT)[1] == {"a": "timed out"}
    assert time.monotonic() - start < 10


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
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize("url", ["gopher://x/", "//x/a.jpg", "http:///a.jpg", "http://x:port/", ""])
def test_malformed_links(url: str) -> None:
    with pytest.raises(RefusedLink):
        open_connection(url, 1, allow_private=True)


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
