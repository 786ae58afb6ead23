# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plots of trends: the requested format, with labels as text."""

import io
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from spo_trace.reporters.trend_plot import SUFFIXES, Amounts, render_trend

HOSTILE = "$\\frac{x}$ <script>alert(1)</script>"


def picture(suffix: str, *labels: str) -> bytes:
    """Return a plot with one panel per label: the first owner leaks, the others do not."""
    low = [8.0] + [-1.0] * (len(labels) - 1)
    table = pd.DataFrame({"rate": 10.0, "rate_error": 1.0, "rate_low": low})
    seconds = 60 * np.arange(5, dtype=np.float64)
    found = Amounts(seconds, np.outer(np.arange(1, len(labels) + 1) * 100, seconds))
    out = io.BytesIO()
    render_trend(table, labels, found, out, suffix=suffix, title="Who grows & how")
    return out.getvalue()


def texts(svg: bytes) -> list[str]:
    """Return all text elements of an SVG."""
    root = ElementTree.fromstring(svg)
    return ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_svg_contains_its_labels_as_text(count: int) -> None:
    said = texts(picture(".svg", *(f"owner-{n}" for n in range(count))))
    assert [text for text in said if text.startswith("owner")] == [f"owner-{n}" for n in range(count)]
    assert [text for text in said if "±" in text][:2] == [
        "+10 B/s ± 1 B/s: at least +8 B/s",
        "+10 B/s ± 1 B/s: no certain growth",
    ][:count]
    assert "minutes since the first sample" in said


def test_a_plot_is_reproducible() -> None:
    assert picture(".svg", "a", "b") == picture(".svg", "a", "b")


def test_png() -> None:
    assert picture(".png", "a", "b", "c").startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_names_are_text(suffix: str) -> None:
    drawn = picture(suffix, HOSTILE, "\x1b[2J\x00", "ünïcode 🎉", "x" * 500)
    assert b"<script" not in drawn
    if suffix == ".svg":
        said = texts(drawn)
        assert HOSTILE in said
        assert "\\033[2J\\000" in said
        assert max(map(len, said)) < 60


def test_html_is_one_page_without_a_network() -> None:
    page = picture(".html", "a", "b", "c").decode()
    assert page.count("<svg") == page.count("</svg>") == 3
    assert "<title>Who grows &amp; how</title>" in page
    assert "<script" not in page and " src=" not in page and "@import" not in page and "url(http" not in page
