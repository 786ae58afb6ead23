# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which requests are for this machine."""

import socket

import pytest

from spo_trace.errors import UsageError
from spo_trace.sampling.request_host import is_for_this_machine, own_names


@pytest.mark.parametrize(
    ("host", "local", "is_own"),
    [
        # The address to which the client has connected, whatever the server listens on.
        ("192.0.2.1:9757", "192.0.2.1", True),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("[::ffff:192.0.2.1]:1", "192.0.2.1", True),
        ("[2001:db8::1]:9757", "2001:0db8:0::1", True),
        ("192.0.2.2", "192.0.2.1", False),
        ("192.0.2.1", "127.0.0.1", False),
        # An address of IPv6 needs brackets.
        ("2001:db8::1", "2001:db8::1", False),
    ],
)
def test_addresses(host: str, local: str, is_own: bool) -> None:
    assert is_for_this_machine([host], local, own_names([])) == is_own


def test_the_name_of_the_machine() -> None:
    assert is_for_this_machine([f"{socket.gethostname()}:9757"], "192.0.2.1", own_names([]))


def test_a_request_without_a_host_is_not_from_a_browser() -> None:
    assert is_for_this_machine([], "192.0.2.1", own_names([]))


@pytest.mark.parametrize("name", ["", "http://node1", "node1:9757", "*", "*.example", "a b", "x" * 300, "-x"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is not a host name"):
        own_names([name])
