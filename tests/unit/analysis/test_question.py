# SPDX-License-Identifier: LGPL-2.1-or-later
"""A question is parsed and checked once, before any record is read."""

import dataclasses

import pytest

from spo_trace.analysis import attribution, growth, trend
from spo_trace.analysis.diff_order import DIFF_ORDERS
from spo_trace.analysis.order import Orders, order_of
from spo_trace.analysis.question import Question
from spo_trace.errors import UsageError


def test_a_question_holds_what_was_asked() -> None:
    question = Question.of("comm", "order > 0", sort="swap", orders=attribution.ORDERS, top=5)
    assert (question.keys, question.condition.text, question.sort, question.top) == (
        ["comm"],
        "order > 0",
        "swap_bytes",
        5,
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        question.top = 6  # type: ignore[misc]


def test_other_keys_keep_the_condition_as_it_was_parsed() -> None:
    question = Question.of("comm", "order > 0", sort="comm", orders=attribution.ORDERS)
    other = question.grouped_by(("stack", "comm"))
    assert (other.keys, other.sort) == (["stack", "comm"], None)
    assert other.condition is question.condition


@pytest.mark.parametrize(
    ("by", "where", "sort", "message"),
    [
        ("com", None, None, "there is no key 'com'"),
        ("comm", "com == 1", None, "where: there is no column 'com'"),
        ("comm", None, "size", "can't sort by 'size'"),
        ("comm", None, "pid", "can't sort by 'pid'"),
    ],
)
def test_a_wrong_question_is_an_error(by: str, where: str | None, sort: str | None, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Question.of(by, where, sort=sort, orders=attribution.ORDERS)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("sort", "orders", "column"),
    [
        ("total", attribution.ORDERS, "total_bytes"),
        ("mem_bytes", attribution.ORDERS, "mem_bytes"),
        ("type", attribution.ORDERS, "swap_type"),
        ("change", DIFF_ORDERS, "change"),
        ("swap_bytes_b", DIFF_ORDERS, "swap_bytes_b"),
        ("least", trend.ORDERS, "rate_low"),
        ("growth", growth.ORDERS, "growth_delta"),
    ],
)
def test_an_order_is_a_column_a_name_for_one_or_a_key(sort: str, orders: Orders, column: str) -> None:
    assert order_of(sort, orders, ["comm", "swap_type"]) == column


def test_a_view_of_growth_is_not_sorted_by_a_key() -> None:
    with pytest.raises(UsageError) as caught:
        order_of("comm", growth.ORDERS, ["comm"])
    assert caught.value.hint == "choose one of growth, interval, total, mem, swap"
