# SPDX-License-Identifier: LGPL-2.1-or-later
"""The colours of HTML reports: one for each meaning, which can be told apart and leave labels legible."""

import re
from importlib import resources
from itertools import combinations

from spo_trace.stacks.rules import CATEGORIES

# The colour of labels on frames (`.d3-flame-graph-label`).
INK = "#14171b"
# Of WCAG 2.1, level AA.
LEGIBLE = 4.5
# CIE76. A difference of about 2 is just noticeable side by side.
APART = 12.0


# Of owners (all categories together), and of frames that a search finds.
OTHERS = ("owner", "hit")


def css() -> str:
    return resources.files("spo_trace.reporters.html").joinpath("style.css").read_text()


def colours() -> dict[str, str]:
    names = {category: category.replace(" ", "-").replace("/shmem", "") for category in CATEGORIES}
    names |= {name: name for name in OTHERS}
    return {meaning: found[1] for meaning, name in names.items() if (found := re.search(rf"--{name}: (#\w+);", css()))}


def linear(colour: str) -> list[float]:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def luminance(colour: str) -> float:
    red, green, blue = linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def lab(colour: str) -> tuple[float, float, float]:
    red, green, blue = linear(colour)
    x, y, z = (
        cube_root(value)
        for value in (
            (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047,
            luminance(colour),
            (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883,
        )
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def cube_root(value: float) -> float:
    return float(value ** (1 / 3)) if value > 0.008856 else 7.787 * value + 16 / 116


def difference(one: str, other: str) -> float:
    return float(sum((a - b) ** 2 for a, b in zip(lab(one), lab(other), strict=True)) ** 0.5)


def test_each_meaning_has_a_colour() -> None:
    assert set(colours()) == {*CATEGORIES, *OTHERS}
    # AND each colour that is used is defined
    assert set(re.findall(r"var\(--([\w-]+)\)", css())) - {"in-swap"} <= set(re.findall(r"--([\w-]+):", css()))


def test_labels_are_legible() -> None:
    ratios = {name: (luminance(colour) + 0.05) / (luminance(INK) + 0.05) for name, colour in colours().items()}
    assert {name: ratio for name, ratio in ratios.items() if ratio < LEGIBLE} == {}


def test_meanings_can_be_told_apart() -> None:
    pairs = {(a, b): difference(one, other) for (a, one), (b, other) in combinations(colours().items(), 2)}
    assert {pair: apart for pair, apart in pairs.items() if apart < APART} == {}
