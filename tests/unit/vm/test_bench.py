# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tables of measurements in guests."""

from tests.vm.bench import render

COUNTS = [
    {"what": "cat", "round": 1, "seconds": 8.0},
    {"what": "collect text", "round": 1, "seconds": 8.4},
    {"what": "collect memory", "round": 1, "seconds": 0.2},
    {"what": "snapshot memory", "round": 1, "seconds": 4.0, "read": 0.1, "records": 1000, "own_pages": 300},
]


def test_ratios_are_of_the_same_round() -> None:
    # GIVEN two rounds on a machine that was twice as slow in the second
    times = [
        {
            "what": what,
            "seconds": slow * whole,
            **({"read": slow * read, "records": 1} if read else {}),
        }
        for slow in (1.0, 2.0)
        for what, whole, read in (("cat", 10.0, 0.0), ("snapshot text", 15.0, 11.0), ("snapshot memory", 5.0, 0.5))
    ]
    # WHEN the tables are written
    text = render(COUNTS, {"collect memory": "2.0", "snapshot memory": "10.0"}, 80, times, {"date": "today"})
    # THEN the ratios are not affected, and instructions are those of the guest's clock
    assert [line for line in text.splitlines() if line.startswith(("| what", "| `"))] == [
        "| what                                 | million instructions | × cat | own pages MiB | target          |",
        "| `cat page_owner > /dev/null`         |                4,000 | 1.000 |               |                 |",
        "| `spo-collect`, text                  |                4,200 | 1.050 |               | ≤ 1.08, ≤ 2 MiB |",
        "| `spo-collect`, memory                |                  100 | 0.025 |           2.0 | ≤ 0.05, ≤ 8 MiB |",
        "| `spo-trace snapshot --method memory` |                2,000 | 0.500 |          10.0 | ≤ 16 MiB        |",
        "| what                                 | median s |   min–max s | × cat | read in s | target        |",
        "| `cat page_owner > /dev/null`         |    15.00 | 10.00–20.00 |  1.00 |           |               |",
        "| `spo-trace snapshot --method text`   |    22.50 | 15.00–30.00 |  1.50 |     16.50 |               |",
        "| `spo-trace snapshot --method memory` |     7.50 |  5.00–10.00 |  0.50 |      0.75 | read in ≤ 1 s |",
    ]
    # AND computed for each page frame of 64 GiB: 4,200,000 instructions for each of the 1,000 records
    (larger,) = (line for line in text.splitlines() if line.startswith("| 64 GiB"))
    assert larger.strip("| ").split() == ["64", "GiB", "|", "16,777,216", "|", "70,464.3", "|", "1,677.7", "|", "1.3"]
    assert "- date: today\n" in text
    assert "1 processor; 240 MiB are in pages of order 0: 1,000 records." in text
