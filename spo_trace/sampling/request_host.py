# SPDX-License-Identifier: LGPL-2.1-or-later
"""The names by which a request may ask for this machine.

A page of any web site can have its visitor's browser ask a server on loopback or in the visitor's network, and read the
answer if the site's name resolves to the server's address by then (DNS rebinding). Such a request has the site's name
in its Host header.
"""

import re
import socket
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from spo_trace.errors import Argument, UsageError

__all__ = ["is_for_this_machine", "own_names"]

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,253}[a-z0-9])?")
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::[0-9]{0,5})?")


def own_names(given: Iterable[str]) -> frozenset[str]:
    """Return the host names of this machine and those that are `given`; raise UsageError if one is not a name."""
    names = {"localhost", "ip6-localhost", socket.gethostname().lower()}
    for name in given:
        # Neither a port nor a wildcard: both would never match.
        if not _NAME.fullmatch(name.lower()):
            raise UsageError(
                (Argument("server_name"), f": {name!r} is not a host name"),
                hint="give a name without scheme and port, such as node1.example.org",
            )
        names.add(name.lower())
    return frozenset(names)


def is_for_this_machine(hosts: Sequence[str], local: str, names: frozenset[str]) -> bool:
    """Return whether the Host headers of a request name loopback, the address `local` that it came to, or a name.

    A request without such a header is not from a browser, and passes.
    """
    if not hosts:
        return True
    match = _HOST.fullmatch(hosts[0].strip().lower())
    if len(hosts) > 1 or match is None:
        return False
    host = match[1] or match[2]
    try:
        address = _unmapped(host)
    except ValueError:
        name = host.removesuffix(".")
        return name in names or name.endswith(".localhost")
    return address.is_loopback or address == _unmapped(local)


# A socket for IPv6 shows the IPv4 addresses of its clients as ::ffff:192.0.2.1.
def _unmapped(text: str) -> IPv4Address | IPv6Address:
    address = ip_address(text)
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address
