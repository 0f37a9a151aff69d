"""What is believed of a request that came through a proxy: only what a trusted one said.

::

    X-Forwarded-For:  1.2.3.4, 10.0.0.9, 10.0.0.2      and the connection comes from 10.0.0.1
                      ^ anybody's     ^ each was written by the next one on its right

    trusted 10.0.0.0/24: walked from the right, 10.0.0.2 and 10.0.0.9 are proxies, 1.2.3.4 asks
    trusted 10.0.0.1:    10.0.0.2 asks, whatever it says of others

Where the connection comes from an address that isn't trusted, all such headers are removed before
anything could read them. X-Forwarded-Proto and -Host count only what trusted proxies wrote, too.
"""

import functools
import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from wsgiref.types import StartResponse, WSGIEnvironment

from settings.errors import InvalidSetting

PROXIED = "recipebox.proxied"
"""The key of the WSGI environment that says whether a trusted proxy sent the request."""

Application: TypeAlias = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_FOR = "HTTP_X_FORWARDED_FOR"
_PROTO = "HTTP_X_FORWARDED_PROTO"
_HOST = "HTTP_X_FORWARDED_HOST"
_OTHERS = (
    "HTTP_FORWARDED",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_FORWARDED_PREFIX",
    "HTTP_X_FORWARDED_PROTOCOL",
    "HTTP_X_FORWARDED_SSL",
    "HTTP_X_REAL_IP",
)
_WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")
_HOST_FORM = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253})(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """The networks whose word is taken; none by default."""

    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, text: str | None, where: str) -> "TrustedProxies":
        """Read addresses and networks (`10.0.0.1, fd00::/8`), with commas or spaces between.

        `where` names the place of the text in errors.

        Raises:
            InvalidSetting: (settings) one of them is neither, or has bits outside its network.
        """
        networks = []
        for word in re.split(r"[,\s]+", (text or "").strip(", \t\n")):
            if not word:
                continue
            try:
                networks.append(ipaddress.ip_network(word))
            except ValueError as error:
                expected = "addresses and networks, such as 127.0.0.1, 10.0.0.0/8"
                raise InvalidSetting("trusted_proxies", where, word, expected) from error
        return cls(tuple(networks))

    def trusts(self, address: Address | None) -> bool:
        """Return whether `address` is a proxy whose word is taken."""
        return address is not None and any(address in network for network in self.networks)


class BehindProxies:
    """A WSGI application that sees the client's address, scheme and host, as far as is known."""

    def __init__(self, application: Application, trusted: TrustedProxies) -> None:
        self._application = application
        self._trusted = trusted

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        see_through(environ, self._trusted)
        return self._application(environ, start_response)


def see_through(environ: WSGIEnvironment, trusted: TrustedProxies) -> None:
    """Put into `environ` what trusted proxies say, and take out what anybody says."""
    said = {name: environ.pop(name, "") for name in (_FOR, _PROTO, _HOST)}
    for name in _OTHERS:
        environ.pop(name, None)
    peer = read_address(environ.get("REMOTE_ADDR", ""))
    environ[PROXIED] = trusted.trusts(peer)
    if not environ[PROXIED]:
        return
    client, hops = find_client(_split(said[_FOR]), trusted)
    if client is not None:
        environ["REMOTE_ADDR"] = str(client)
    scheme = _said_by(_split(said[_PROTO]), hops).lower()
    if scheme in {"http", "https"}:
        environ["wsgi.url_scheme"] = scheme
    host = _said_by(_split(said[_HOST]), hops)
    if _HOST_FORM.fullmatch(host):
        environ["HTTP_HOST"] = host


def find_client(chain: Sequence[str], trusted: TrustedProxies) -> tuple[Address | None, int]:
    """Return who asks, and how many entries of the chain trusted proxies wrote (at least one).

    None: the chain is empty, or its last entry is no address; then the proxy itself asks.
    """
    client = None
    hops = 0
    for entry in reversed(chain):
        address = read_address(entry)
        if address is None:
            break
        client = address
        hops += 1
        if not trusted.trusts(address):
            break
    return client, max(hops, 1)


@functools.lru_cache(maxsize=4096)  # each request asks for its own, and most come from a few
def read_address(text: str) -> Address | None:
    """Return an address, without its port or zone, as IPv4 where it is one; None if it is none."""
    matched = _WITH_PORT.fullmatch(text)
    bare = (matched[1] or matched[2]) if matched else text
    try:
        address = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _split(text: str) -> list[str]:
    return [entry.strip() for entry in text.split(",")] if text else []


def _said_by(values: Sequence[str], hops: int) -> str:
    """Return the value of the outermost trusted proxy: what stands left of it is anybody's."""
    return values[-min(hops, len(values))] if values else ""
