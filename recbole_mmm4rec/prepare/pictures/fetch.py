"""One request for one picture: redirects, limits, and a verdict that says whether trying again may help."""

import asyncio
import ssl
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path

import httpx

from recbole_mmm4rec.prepare.pictures.addresses import (
    PrivateAddress,
    RefusedLink,
    addresses_of,
    checked_link,
)

MAX_REDIRECTS = 5
_CHUNK = 1 << 16
_TRY_AGAIN = (408, 425, 429, 500, 502, 503, 504)
# a server that compresses pictures would hide how many bytes come
_HEADERS = {"User-Agent": "recbole-mmm4rec", "Accept": "image/*", "Accept-Encoding": "identity"}


@dataclass(frozen=True)
class Limits:
    """``timeout``: seconds for the picture with its redirects, from the first look-up of a name to the last
    byte; ``max_bytes``: size of the file.
    """

    timeout: float = 15.0
    max_bytes: int = 20_000_000
    allow_private: bool = False


class FetchProblem(Exception):  # noqa: N818 - carries a verdict, not a defect
    """No picture. ``transient``: trying again may help; ``wait``: seconds that the server asks for;
    ``lasting``: neither time nor other ``Limits`` will help.
    """

    def __init__(self, reason: str, transient: bool, wait: float = 0.0, limited: bool = False) -> None:
        super().__init__(reason)
        self.transient, self.wait, self.lasting = transient, wait, not (transient or limited)


def open_client() -> httpx.AsyncClient:
    """Return the client of a download. It keeps no connection or cookie, knows no proxy, sets no time limit.

    Time is limited around whole requests: httpx itself limits single silences, which a server that sends a
    byte now and then never exceeds.
    """
    return httpx.AsyncClient(
        verify=ssl.create_default_context(),
        timeout=None,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        trust_env=False,
    )


async def fetch(client: httpx.AsyncClient, link: str, path: Path, limits: Limits) -> None:
    """Write what ``link`` answers to ``path``, complete when this returns. Raises ``FetchProblem``."""
    try:
        async with asyncio.timeout(limits.timeout):
            await _follow(client, link, path, limits)
    except TimeoutError as error:
        raise FetchProblem("timed out", transient=True) from error
    except RefusedLink as refused:
        limited = isinstance(refused, PrivateAddress)
        raise FetchProblem(str(refused), transient=False, limited=limited) from refused


async def _follow(client: httpx.AsyncClient, link: str, path: Path, limits: Limits) -> None:
    url = checked_link(link)
    for _ in range(MAX_REDIRECTS + 1):
        target = await _request(client, url, path, limits)
        if target is None:
            return
        url = checked_link(target, url)
    raise FetchProblem("too many redirects", transient=False)


async def _request(client: httpx.AsyncClient, url: httpx.URL, path: Path, limits: Limits) -> str | None:
    """Follow one hop; return where it redirects to, None when ``path`` is written."""
    problem = FetchProblem("no answer (no address)", transient=True)
    for address in await _addresses(url, limits):
        try:
            response = await client.send(_to_address(client, url, address), stream=True)
            try:
                return await _answer(response, path, limits)
            finally:
                await response.aclose()
        except httpx.ConnectError as error:  # the next address may answer
            untrusted = "CERTIFICATE_VERIFY_FAILED" in str(error)
            problem = FetchProblem("bad certificate" if untrusted else "no connection", transient=True)
            problem.__cause__ = error
        except httpx.NetworkError as error:
            raise FetchProblem("connection lost", transient=True) from error
        except httpx.HTTPError as error:
            raise FetchProblem(f"no answer ({type(error).__name__})", transient=True) from error
    raise problem


async def _addresses(url: httpx.URL, limits: Limits) -> list[str]:
    try:
        return await addresses_of(url, limits.allow_private)
    except OSError as error:
        raise FetchProblem("no such host", transient=True) from error


def _to_address(client: httpx.AsyncClient, url: httpx.URL, address: str) -> httpx.Request:
    """Return a request for ``url`` that goes to ``address``, whatever the name resolves to now."""
    headers = _HEADERS | {"Host": url.netloc.decode("ascii")}
    names = {"sni_hostname": url.raw_host.decode("ascii")} if url.scheme == "https" else {}
    return client.build_request("GET", url.copy_with(host=address), headers=headers, extensions=names)


async def _answer(response: httpx.Response, path: Path, limits: Limits) -> str | None:
    if response.status_code in (301, 302, 303, 307, 308):
        return _location(response)
    _check(response, limits)
    await _save(response, path, limits)
    return None


def _location(response: httpx.Response) -> str:
    target = response.headers.get("Location")
    if not target:
        raise FetchProblem("redirect without a target", transient=False)
    return str(target)


def _check(response: httpx.Response, limits: Limits) -> None:
    if response.status_code != 200:
        after = response.headers.get("Retry-After", "")
        wait = min(float(after), 60.0) if after.isdecimal() else 0.0
        raise FetchProblem(f"HTTP {response.status_code}", response.status_code in _TRY_AGAIN, wait)
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise FetchProblem("an HTML page instead of a picture", transient=False)
    if int(response.headers.get("Content-Length", 0)) > limits.max_bytes:
        raise FetchProblem("too large", transient=False, limited=True)


async def _save(response: httpx.Response, path: Path, limits: Limits) -> None:
    written = 0
    with path.open("wb") as file:
        try:
            async for chunk in response.aiter_raw(_CHUNK):
                written += file.write(chunk)
                if written > limits.max_bytes:
                    raise FetchProblem("too large", transient=False, limited=True)
        except httpx.RemoteProtocolError as error:
            raise FetchProblem("truncated", transient=True) from error
