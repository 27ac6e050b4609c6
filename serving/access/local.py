"""Asking without a key: from this machine alone, and not through a proxy.

A proxy that ends TLS makes every caller look local, and a web page can make a browser on this
machine ask `http://name-of-its-own:3000` after its name has come to mean 127.0.0.1. So the address
that was asked, the address that asks, the name in `Host` and the absence of a proxy's headers must
all say that the caller is local. So must the `Origin` of a page: one from anywhere may post to this
machine, unasked and without reading the answer, and its rows would stand in the ledger.
"""

import ipaddress
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from starlette.types import Scope

_LOCAL_NAMES: Final = frozenset({"localhost", "ip6-localhost"})
# What proxies are to add: RFC 9110, 7.6.3, and RFC 8586; RFC 7239's `Forwarded` is below.
_OF_PROXIES: Final = frozenset({b"via", b"cdn-loop"})
# `Forwarded`, `X-Forwarded-For`, `X-Original-Forwarded-For`, `Fly-Forwarded-Port`.
_FORWARDED: Final = b"forwarded"
# Whom the proxy saw. `X-Real-IP` (nginx's custom), `CF-Connecting-IP` (Cloudflare),
# `True-Client-IP` (Akamai, Cloudflare), `Fastly-Client-IP`, `X-Cluster-Client-IP`,
# `WL-Proxy-Client-IP` (WebLogic), `X-ProxyUser-Ip`, `X-Azure-ClientIP` (Front Door),
# `CF-Connecting-IPv6`; `X-Remote-Addr`; `CloudFront-Viewer-Address`. Nothing that browsers or other
# clients send of themselves ends so.
_ADDRESSES: Final = (b"ip", b"ipv6", b"-addr", b"-address")
# What else is of these alone: Cloudflare, CloudFront, Fastly, Azure Front Door, App Engine, Envoy,
# the load balancer of AWS (`X-Amzn-Trace-Id`), IIS (`X-ARR-LOG-ID`), Tailscale, and those that keep
# what they have rewritten (`X-Original-Host`, `X-Original-URL`).
_PREFIXES: Final = (
    b"cf-", b"cloudfront-", b"fastly-", b"x-azure-", b"x-appengine-", b"x-envoy-", b"x-amzn-",
    b"x-arr-", b"tailscale-", b"x-original-",
)  # fmt: skip


def is_loopback(host: str) -> bool:
    """Return whether a name or address means this machine and nothing else.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost")
    (True, True, True)
    >>> is_loopback("0.0.0.0"), is_loopback("localhost.example.org")
    (False, False)
    """
    if host.lower() in _LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def not_local(scope: Scope, origins: Collection[str] = ()) -> str | None:
    """Return why a request may have come from elsewhere, or None where it is local.

    Parameters
    ----------
    scope : ASGI scope
        Of an HTTP request.
    origins : collection of str
        Whose pages may ask although they are not of this machine.
    """
    hosts = []
    for name, value in scope["headers"]:
        if _is_of_a_proxy(name):
            return "it was forwarded by a proxy"
        text = value.decode("latin-1")
        if name == b"origin" and text not in origins and not _is_local_origin(text):
            return "a web page from elsewhere asks"
        if name == b"host":
            hosts.append(text)
    for side in ("server", "client"):
        address = scope.get(side)
        if address is None or not is_loopback(str(address[0])):
            return "it does not come from this machine"
    if len(hosts) != 1 or not is_loopback(_without_port(hosts[0])):
        return "its Host is not this machine"
    return None


def _is_of_a_proxy(name: bytes) -> bool:
    return (
        name in _OF_PROXIES
        or _FORWARDED in name
        or name.endswith(_ADDRESSES)
        or name.startswith(_PREFIXES)
    )


def _is_local_origin(origin: str) -> bool:
    """Return whether a page is of this machine; one that hides where it is from is not."""
    try:
        return is_loopback(urlsplit(origin).hostname or "")
    except ValueError:
        return False


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
