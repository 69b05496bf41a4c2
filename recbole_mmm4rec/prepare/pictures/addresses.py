"""Where a download may go: http and https, and only to public addresses unless it is allowed."""

import http.client
import ipaddress
import socket
import ssl
from urllib.parse import quote, urlsplit

SCHEMES = ("http", "https")


class RefusedLink(Exception):  # noqa: N818 - a verdict on the link, told to the caller
    """The link is not followed; the message is the reason."""


class PrivateAddress(RefusedLink):
    """The link leads to an address that ``allow_private`` opens."""


def open_connection(url: str, timeout: float, allow_private: bool) -> tuple[http.client.HTTPConnection, str]:
    """Return an unconnected connection for ``url`` and the request path. Raises ``RefusedLink``.

    The address is checked when the socket is opened, and that very address is used: a name that resolves
    differently the second time gains nothing.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise RefusedLink("link is malformed") from error
    if parts.scheme not in SCHEMES:
        raise RefusedLink("link is neither http nor https")
    if not host:
        raise RefusedLink("link is malformed")
    path = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe="/?&=%:;,+@!$'()*~#")
    if parts.scheme == "https":
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, port, timeout=timeout, context=ssl.create_default_context()
        )
    else:
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
    # the one hook through which the standard library opens its sockets
    connection._create_connection = _opener(allow_private)  # type: ignore[attr-defined]
    return connection, path


def is_public(address: str) -> bool:
    """Tell whether an IP address belongs to the public internet."""
    parsed = ipaddress.ip_address(address.split("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if inner is not None:
            parsed = inner
    return parsed.is_global and not parsed.is_multicast


def _opener(allow_private: bool):  # type: ignore[no-untyped-def]
    def connect(address: tuple[str, int], timeout: float, _: object = None) -> socket.socket:
        problem: OSError | None = None
        for family, kind, protocol, _, target in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
            if not allow_private and not is_public(str(target[0])):
                raise PrivateAddress("link leads to a private address")
            opened: socket.socket | None = None
            try:
                opened = socket.socket(family, kind, protocol)
                opened.settimeout(timeout)
                opened.connect(target)
                return opened
            except OSError as error:
                if opened is not None:  # a machine without this family of addresses has no such socket
                    opened.close()
                problem = error
        raise problem or OSError("no address")

    return connect
