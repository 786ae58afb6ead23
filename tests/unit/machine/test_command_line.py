# SPDX-License-Identifier: LGPL-2.1-or-later
import pytest

from spo_trace.machine.command_line import boot_option, switches_on, wants_swap


@pytest.mark.parametrize(
    ("cmdline", "asked"),
    [
        (None, False),
        ("", False),
        ("quiet page_owner=on", False),
        ("page_owner=on,swap quiet", True),
        ("page_owner=swap,on", True),
        ("page_owner=on,swapx", False),
        ("my_page_owner=on,swap", False),
        ("page_owner=on,swap page_owner=on", False),
    ],
)
def test_boot_options_that_request_swap(cmdline: str | None, asked: bool) -> None:
    assert wants_swap(cmdline) is asked


@pytest.mark.parametrize(
    ("cmdline", "value"),
    [
        (None, None),
        ("quiet", None),
        ("page_owner", None),
        ("page_owner=on", "on"),
        ("page_owner=on page_owner=off", "off"),
        ("quiet -- page_owner=on", None),
        ("xpage_owner=on", None),
    ],
)
def test_the_last_value_before_the_arguments_of_init_counts(cmdline: str | None, value: str | None) -> None:
    assert boot_option(cmdline, "page_owner") == value


def test_values_that_mean_on() -> None:
    assert all(map(switches_on, ("on", "ON", "on,swap", "1", "y", "true")))
    assert not any(map(switches_on, (None, "", "off", "no", "0", "swap,on", "n")))
