# SPDX-License-Identifier: LGPL-2.1-or-later
"""Conditions that are not Python, or that mean something else in Python, and the suggested corrections."""

import re

import pytest

from spo_trace.analysis.where import Condition
from spo_trace.errors import UsageError

REWRITTEN = [
    ('comm = "dd"', "compare with ==", 'comm == "dd"'),
    ("pid = 7", "compare with ==", "pid == 7"),
    ("pid === 7", "compare with ==", "pid == 7"),
    ("pid <> 7", "compare with !=", "pid != 7"),
    ('comm == "dd" && order > 0', "join conditions with and", 'comm == "dd" and order > 0'),
    ('comm == "dd" AND pid == 1', "join conditions with and", 'comm == "dd" and pid == 1'),
    ("slab||swapped", "join conditions with or", "slab or swapped"),
    ("!slab", "negate with not", "not slab"),
    ("slab && !swapped", "join conditions with and, negate with not", "slab and not swapped"),
    ("order > 1K", "write sizes in bytes", "order > 1024"),
    ("ts_nsec > 1.5 MiB", "write sizes in bytes", "ts_nsec > 1572864"),
    ("comm == “dd”", "use straight quotation marks", 'comm == "dd"'),
    ("comm == kworker/0:1", "put text in quotes", 'comm == "kworker/0:1"'),
    ("caller == f.isra.0", "put text in quotes", 'caller == "f.isra.0"'),
    ("bytes >= 2MiB", "write sizes in bytes", "bytes >= 2097152"),
    # Quoted text is not changed.
    ('comm == "a && b = !c 1K" && slab', "join conditions with and", 'comm == "a && b = !c 1K" and slab'),
    # A method's own = is not a comparison.
    (
        'comm.str.contains("a", case=False) && slab',
        "join conditions with and",
        'comm.str.contains("a", case=False) and slab',
    ),
    ("pid == 1 & order > 0", "& and | bind more tightly than a comparison", "pid == 1 and order > 0"),
    ('comm == "a & b" & slab', "& and | bind more tightly than a comparison", 'comm == "a & b" and slab'),
    ("slab | order > 0", "& and | bind more tightly than a comparison", "slab or order > 0"),
    ("gfp_mask & 64 != 0", "& and | bind more tightly than a comparison", "(gfp_mask & 64) != 0"),
]


@pytest.mark.parametrize(("expression", "said", "instead"), REWRITTEN)
def test_the_hint_is_the_corrected_condition(expression: str, said: str, instead: str) -> None:
    with pytest.raises(UsageError) as caught:
        Condition(expression)
    assert caught.value.message == f"where={expression!r}: {said}"
    assert caught.value.hint == f"write where={instead!r}"
    # AND it works as printed.
    Condition(instead)


@pytest.mark.parametrize(
    ("expression", "instead"),
    [
        ("comm == dd", 'comm == "dd"'),
        ("comm = dd", 'comm == "dd"'),
        ("comm==dd and order > 0", 'comm== "dd" and order > 0'),
        ("comm != kworker/0", 'comm != "kworker/0"'),
        ("comm == null", 'comm == "null"'),
    ],
)
def test_unquoted_text(expression: str, instead: str) -> None:
    with pytest.raises(UsageError) as caught:
        Condition(expression)
    assert caught.value.hint == f"put text in quotes: where={instead!r}"
    Condition(instead)


@pytest.mark.parametrize(
    "expression", ["swap > 1MiB", "mem_bytes > 1GiB", "total_bytes > 0", "share > 0.5", "swap > 0"]
)
def test_columns_of_results_cannot_be_used(expression: str) -> None:
    with pytest.raises(UsageError, match=r"column|bytes") as caught:
        Condition(expression)
    assert caught.value.hint == "where selects single records before they are summed; bytes is the size of one"


@pytest.mark.parametrize("expression", ["dd", "comm in dd", "nosuch > 0"])
def test_an_unknown_name(expression: str) -> None:
    with pytest.raises(UsageError, match="there is no column") as caught:
        Condition(expression)
    assert re.match(r"text goes in quotes: where='comm == \"\w+\"'; choose from ", str(caught.value.hint))


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ('comm == "dd', "a quotation mark is not closed"),
        ("comm == 'it's'", "a quotation mark is not closed"),
        ("order >", "invalid syntax"),
        ("(order", "'(' was never closed"),
        ("comm == my app", "invalid syntax"),
        ('comm =~ "d"', "invalid syntax"),
        ("order + " * 2000 + "1 > 0 ?", "invalid syntax"),
    ],
)
def test_without_a_correction_the_hint_is_an_example(expression: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        Condition(expression)
    assert caught.value.message == f"where={expression!r} is not an expression: {said}"
    assert str(caught.value.hint).startswith("for example: where=")


@pytest.mark.parametrize("expression", ["", " ", "\t\n"])
def test_an_empty_condition(expression: str) -> None:
    with pytest.raises(UsageError, match=r"^where: the condition is empty$"):
        Condition(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "(gfp_mask & 64) != 0",
        "( gfp_mask & 64 ) != 0",
        "((pid) & (1)) == 1",
        '(comm == "dd") & (order > 0)',
        "slab & swapped",
        "(gfp_mask &\n 64) != 0",
        "(slab | swapped) and pid > 1",
    ],
)
def test_bit_operators_in_parentheses_are_accepted(expression: str) -> None:
    Condition(expression)
