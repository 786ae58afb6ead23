# SPDX-License-Identifier: LGPL-2.1-or-later
"""How answers on one entry of swap, asked in turn, go together."""

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
        # The probes (first and third) and the kernel (second and fourth) never agree.
        ("abab", "unexplained"),
        ("a-a-", "unexplained"),
        ("-a-a", "unexplained"),
        # One of the two has another owner for a while.
        ("abaa", "unexplained"),
        ("aaba", "unexplained"),
    ],
)
def test_what_became_of_an_entry(answers: str, said: str) -> None:
    owners: dict[str, Owner | None] = {"a": (1, 1, "a", 10, "f"), "b": (1, 1, "a", 20, "f"), "-": None}
    assert kind([owners[answer] for answer in answers]) == said
