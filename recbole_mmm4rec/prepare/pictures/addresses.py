"""Where a download may go: http and https, and only to public addresses unless it is allowed."""

import asyncio
import contextlib
import ipaddress
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx

SCHEMES = ("http", "https")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NEVER_PUBLIC = (
    ipaddress.IPv6Network("::/96"),  # IPv4-compatible, long withdrawn: ::127.0.0.1
    ipaddress.IPv6Network("64:ff9b:1::/48"),  # NAT64 inside a site (RFC 8215)
    ipaddress.IPv6Network("fec0::/10"),  # site-local
)


class RefusedLink(Exception):  # noqa: N818 - a verdict on the link, reported to the caller
    """The link is not followed; the message is the reason."""


class PrivateAddress(RefusedLink):
    """The link leads to an address that ``allow_private`` opens."""


def checked_link(link: str, base: httpx.URL | None = None) -> httpx.URL:
    """Return ``link``, which may be relative to ``base``, as an absolute URL. Raises ``RefusedLink``."""
    try:
        urlsplit(link)  # httpx takes a lone bracket for part of a name
        url = httpx.URL(link) if base is None else base.join(link)
    except (httpx.InvalidURL, ValueError) as error:
        raise RefusedLink("link is malformed" if base is None else "redirect is malformed") from error
    if url.scheme not in SCHEMES:
        raise RefusedLink("link is neither http nor https")
    if not url.host:
        raise RefusedLink("link is malformed")
    return url


async def addresses_of(url: httpx.URL, allow_private: bool) -> list[str]:
    """Return the addresses of the link's host. Raises ``RefusedLink``, and ``OSError`` for an unknown name.

    Whoever connects must use these very addresses: a name that resolves differently the second time then
    gains nothing.
    """
    found = await _resolved(url.host, url.port or (443 if url.scheme == "https" else 80))
    if not allow_private and not all(is_public(address) for address in found):
        raise PrivateAddress("link leads to a private address")
    return found


def is_public(address: str) -> bool:
    """Tell whether an IP address, and every IPv4 address that it carries, belongs to the public internet."""
    parsed = ipaddress.ip_address(address.split("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        if any(parsed in network for network in _NEVER_PUBLIC):
            return False
        carried = [*_carried(parsed)]
        if carried:
            return all(_is_global(inner) for inner in carried)
    return _is_global(parsed)


def _is_global(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return address.is_global and not address.is_multicast


def _carried(address: ipaddress.IPv6Address) -> Iterator[ipaddress.IPv4Address]:
    """Yield the IPv4 addresses that an IPv6 address leads to: mapped, NAT64, 6to4 and Teredo."""
    if address in _NAT64:
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    yield from (inner for inner in (address.ipv4_mapped, address.sixtofour) if inner is not None)
    yield from address.teredo or ()


async def _resolved(host: str, port: int) -> list[str]:
    """Look a name up in its own thread, which is never waited for: a lookup cannot be interrupted."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def deliver(found: list[str], problem: Exception | None) -> None:
        if answer.done():
            return
        if problem is not None:
            answer.set_exception(problem)
        else:
            answer.set_result(found)

    def look_up() -> None:
        found, problem = [], None
        try:
            found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        except (OSError, UnicodeError) as error:
            problem = OSError(f"{host} is not found ({error})")
        with contextlib.suppress(RuntimeError):  # the download may have ended meanwhile
            loop.call_soon_threadsafe(deliver, found, problem)

    threading.Thread(target=look_up, daemon=True).start()
    return await answer
