# SPDX-License-Identifier: LGPL-2.1-or-later
"""Conditions that are too long, too deep or too large end with an error that says so."""

import pytest

from spo_trace.analysis.where import Condition
from spo_trace.errors import UsageError
from spo_trace.limits import MAX_WHERE_CHARACTERS, MAX_WHERE_LEVELS, MAX_WHERE_OPERATORS
from spo_trace.reporters.format import parse_size

# Values of the arguments of each message.
TOO_LARGE = {
    "900 signs": ("order > " + "-" * 900 + "1", "901 operators"),
    "many signs": ("order > " + "-" * (MAX_WHERE_LEVELS + 1) + "1", "levels deep"),
    "negations": ("not " * (MAX_WHERE_LEVELS + 1) + "slab", "levels deep"),
    "lists": ("order in " + "[" * (MAX_WHERE_LEVELS + 1) + "1" + "]" * (MAX_WHERE_LEVELS + 1), "levels deep"),
    "or": (" or ".join(["order > 1"] * MAX_WHERE_OPERATORS), "operators"),
    "|": (" | ".join(["(order > 1)"] * MAX_WHERE_OPERATORS), "operators"),
    "+": ("order > " + "+".join(["1"] * (MAX_WHERE_OPERATORS + 1)), "operators"),
    "chain": (" < ".join(["order"] * (MAX_WHERE_OPERATORS + 2)), "operators"),
    "text": ('comm == "' + "x" * 10**5 + '"', "100,010 characters"),
    "not Python": ("= " * 10**5, "200,000 characters"),
    "signs beyond the parser": ("order > " + "-" * 10**5 + "1", "100,009 characters"),
    "digits": ("order > " + "9" * 10**5, "100,008 characters"),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_a_condition_that_is_too_large(name: str) -> None:
    expression, why = TOO_LARGE[name]
    with pytest.raises(UsageError, match=why) as caught:
        Condition(expression)
    # The message does not repeat a condition of this size.
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 300 + "order > 1" + ")" * 300,
        "order > " + "9" * 5000,
        "order > 0x" + "f" * 5000,
        "order > " + "9" * 5000 + "K",
        "!" * 5000,
    ],
)
def test_other_conditions_at_the_limits_of_python(expression: str) -> None:
    with pytest.raises(UsageError, match="not an expression"):
        Condition(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "order > " + "-" * (MAX_WHERE_LEVELS - 4) + "1",
        "(" * 90 + "order > 1" + ")" * 90,
        "pid in [" + ", ".join(map(str, range(10000, 12000))) + "]",
        " or ".join(["order > 1"] * (MAX_WHERE_OPERATORS // 2)),
        'comm == "' + "x" * (MAX_WHERE_CHARACTERS - 10) + '"',
    ],
)
def test_conditions_of_a_usual_size_are_accepted(expression: str) -> None:
    assert Condition(expression).text == expression


@pytest.mark.parametrize("text", ["9" * 5000, "1." + "0" * 5000 + "K", "1e400", "9" * 41])
def test_a_size_that_is_too_long(text: str) -> None:
    with pytest.raises(ValueError, match="size") as caught:
        parse_size(text)
    assert len(str(caught.value)) < 100


def test_a_large_size() -> None:
    assert parse_size("9" * 39 + "E") == int("9" * 39) << 60
