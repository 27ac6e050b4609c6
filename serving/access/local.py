"""Asking without a key: from this machine alone, and not through a proxy.

A proxy that ends TLS makes every caller look local, and a web page can make a browser on this
machine ask `http://name-of-its-own:3000` after its name has come to mean 127.0.0.1. So the address
that was asked, the address that asks, the name in `Host` and the absence of a proxy's headers must
all say that the caller is local.
"""

import ipaddress
from typing import Final

from starlette.types import Scope

_LOCAL_NAMES: Final = frozenset({"localhost", "ip6-localhost"})
_FORWARDED: Final = b"forwarded"
_X_FORWARDED: Final = b"x-forwarded-"


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


def not_local(scope: Scope) -> str | None:
    """Return why a request may have come from elsewhere, or None where it is local."""
    hosts = []
    for name, value in scope["headers"]:
        if name == _FORWARDED or name.startswith(_X_FORWARDED):
            return "it was forwarded by a proxy"
        if name == b"host":
            hosts.append(value.decode("latin-1"))
    for side in ("server", "client"):
        address = scope.get(side)
        if address is None or not is_loopback(str(address[0])):
            return "it does not come from this machine"
    if len(hosts) != 1 or not is_loopback(_without_port(hosts[0])):
        return "its Host is not this machine"
    return None


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
