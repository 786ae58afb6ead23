# SPDX-License-Identifier: LGPL-2.1-or-later
"""Classification of successive answers on one swap entry."""

import pytest

from tests.vm.answers import Owner, kind


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ("aaaa", "the same"),
        ("--aa", "written meanwhile"),
        ("aa--", "freed meanwhile"),
        ("-aa-", "written and freed meanwhile"),
        ("aabb", "used anew meanwhile"),
        ("a-bb", "used anew meanwhile"),
        # The probes (first and third) and the kernel (second and fourth) always disagree.
        ("abab", "unexplained"),
        ("a-a-", "unexplained"),
        ("-a-a", "unexplained"),
        # One of the two temporarily has another owner.
        ("abaa", "unexplained"),
        ("aaba", "unexplained"),
    ],
)
def test_classes_of_answers(answers: str, said: str) -> None:
    owners: dict[str, Owner | None] = {"a": (1, 1, "a", 10, "f"), "b": (1, 1, "a", 20, "f"), "-": None}
    assert kind([owners[answer] for answer in answers]) == said
