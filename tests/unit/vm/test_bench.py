# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table of measurements in a guest."""

from tests.vm.bench import render


def test_ratios_are_of_the_same_round() -> None:
    # GIVEN two rounds on a machine that was twice as slow in the second
    measured = [
        {"what": what, "round": number, "seconds": slow * whole, "collected": slow * collected}
        for number, slow in ((1, 1.0), (2, 2.0))
        for what, whole, collected in (("cat", 10.0, 0.0), ("1 job", 15.0, 11.0), ("2 jobs", 12.0, 6.0))
    ]
    # WHEN the table is written
    text = render(measured, {"date": "today"})
    # THEN the ratios are not affected
    assert text.splitlines()[4:13] == [
        "- date: today",
        "",
        "| what                           | median s |   min–max s | × cat | target |",
        "| ------------------------------ | -------: | ----------: | ----: | ------ |",
        "| `cat page_owner > /dev/null`   |    15.00 | 10.00–20.00 |  1.00 |        |",
        "| page_owner collected by 1 job  |    16.50 | 11.00–22.00 |  1.10 | ≤ 1.25 |",
        "| page_owner collected by 2 jobs |     9.00 |  6.00–12.00 |  0.60 | ≤ 0.7  |",
        "| whole process, 1 job           |    22.50 | 15.00–30.00 |  1.50 |        |",
        "| whole process, 2 jobs          |    18.00 | 12.00–24.00 |  1.20 |        |",
    ]
