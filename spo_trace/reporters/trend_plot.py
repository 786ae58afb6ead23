# SPDX-License-Identifier: LGPL-2.1-or-later
"""A plot of a trend: the samples of each owner and the fitted line."""

import html
import io
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from spo_trace.printable import printable
from spo_trace.reporters.format import format_rate, format_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["SUFFIXES", "Amounts", "render_trend"]

SUFFIXES = (".png", ".svg", ".html")

Floats = npt.NDArray[np.float64]

_COLUMNS = 2
_LABEL = 44

# Points and a line, so that samples and fit can be distinguished without colours.
_POINTS, _FIT = "#1f4e79", "#c8501e"

# Keep text as text in SVG, for searching and screen readers.
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "spo-trace",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 9,
    # A $ in a name from the kernel does not start a formula.
    "text.parse_math": False,
}

_UNITS = ((1, "seconds"), (60, "minutes"), (3600, "hours"), (86400, "days"))


class Amounts(NamedTuple):
    """Hold the bytes of each owner (row) at each sample (column), and the seconds since the first sample."""

    seconds: Floats
    bytes: Floats


def render_trend(
    trends: pd.DataFrame, labels: Sequence[str], found: Amounts, outfile: BinaryIO, *, suffix: str, title: str
) -> None:
    """Write one panel per row of `trends` (of `analysis.trend`), in the format of `suffix` (one of SUFFIXES).

    `labels`: the owner of each row in one line; `found`: its samples. In HTML, as many panels as fit are side by side.
    """
    with warnings.catch_warnings():
        # Characters of a name that no installed font has are drawn as boxes.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        _render(_Panels(trends, labels, found), outfile, suffix, title)


def _render(panels: "_Panels", outfile: BinaryIO, suffix: str, title: str) -> None:
    if suffix == ".html":
        figures = "".join(f"<figure>{_svg(panel.drawn(1), title)}</figure>\n" for panel in panels.apart())
        outfile.write(_PAGE.format(title=html.escape(title), figures=figures).encode())
    elif suffix == ".svg":
        outfile.write(_svg(panels.drawn(_COLUMNS), title).encode())
    else:
        panels.drawn(_COLUMNS).savefig(outfile, format="png", dpi=144, metadata={"Title": title})


class _Panels(NamedTuple):
    trends: pd.DataFrame
    labels: Sequence[str]
    found: Amounts

    def apart(self) -> Iterator["_Panels"]:
        """Yield each panel separately."""
        seconds, amounts = self.found
        for row in (slice(number, number + 1) for number in range(len(self.trends))):
            yield _Panels(self.trends[row], self.labels[row], Amounts(seconds, amounts[row]))

    def drawn(self, columns: int) -> "Figure":
        """Return a figure with one panel per row."""
        import matplotlib as mpl
        from matplotlib.figure import Figure

        seconds, amounts = self.found
        with mpl.rc_context(cast(Any, _STYLE)):
            lines = max(-(-len(self.trends) // columns), 1)
            figure = Figure(figsize=(5 * columns, 0.3 + 2.3 * lines), layout="constrained")
            axes = figure.subplots(lines, columns, squeeze=False, sharex=True).flatten()
            per, unit = next((u for u in reversed(_UNITS) if seconds[-1] >= 3 * u[0]), _UNITS[0])
            rows = zip(axes, self.labels, self.trends.to_dict("records"), amounts, strict=False)
            for ax, label, row, values in rows:
                _panel(ax, label, row, seconds / per, values, per)
            for ax in axes[len(self.trends) :]:
                ax.set_axis_off()
            figure.supxlabel(f"{unit} since the first sample", fontsize=9)
        return figure


def _panel(ax: "Axes", label: str, row: dict[Any, Any], times: Floats, values: Floats, per: int) -> None:
    power = min(max(int(np.log2(max(values.max(), 1))) // 10, 0), 5)
    unit, scale = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")[power], 1024.0**power
    ax.plot(times, values / scale, "o", ms=4, color=_POINTS, zorder=3, clip_on=False)
    middle = times.mean()
    line = "-" if row["rate_low"] > 0 else ":"
    ax.plot(times, (values.mean() + row["rate"] * per * (times - middle)) / scale, line, lw=1.5, color=_FIT)
    ax.set_ylabel(unit)
    ax.set_ylim(0, 1.1 * max(values.max(), 1) / scale)
    ax.grid(axis="y", lw=0.4, alpha=0.5)
    certainty = f"at least {format_rate(row['rate_low'])}" if row["rate_low"] > 0 else "no certain growth"
    rate = f"{format_rate(row['rate'])} ± {format_size(row['rate_error'])}/s: {certainty}"
    ax.set_title(f"{_short(printable(label))}\n{rate}", loc="left", fontsize=9)


def _short(label: str) -> str:
    return label if len(label) <= _LABEL else label[: _LABEL - 1] + "…"


def _svg(figure: "Figure", title: str) -> str:
    import matplotlib as mpl

    sink = io.BytesIO()
    with mpl.rc_context(cast(Any, _STYLE)):
        figure.savefig(sink, format="svg", metadata={"Title": title, "Date": None})
    text = sink.getvalue().decode()
    return text[text.index("<svg") :]


_PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font-family: sans-serif; margin: 1rem; background: Canvas; color: CanvasText; color-scheme: light dark }}
h1 {{ font-size: 1.2rem }}
main {{ display: flex; flex-wrap: wrap; gap: 1rem }}
figure {{ flex: 1 1 20rem; max-width: 40rem; margin: 0 }}
svg {{ width: 100%; height: auto; background: white }}
</style>
<h1>{title}</h1>
<main>
{figures}</main>
</html>
"""
