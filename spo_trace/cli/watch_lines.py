# SPDX-License-Identifier: LGPL-2.1-or-later
"""Displays of watch that write lines: plain text, CSV and JSON."""

import sys
from typing import TYPE_CHECKING

from spo_trace.cli.watch_display import Display

if TYPE_CHECKING:
    import pandas as pd

    from spo_trace.sampling.samples import Sample

__all__ = ["Csv", "JsonLines", "Lines"]


class Lines(Display):
    """Print one line per owner and sample, for a pipe, a file or a log."""

    def _draw(self, sample: "Sample") -> None:
        import pandas as pd

        from spo_trace.reporters.watch_view import render_lines

        rows, everything, owners = self._growth()
        self._note_cut(owners - len(rows))
        shown = pd.concat([everything, rows], ignore_index=True)
        render_lines(shown, sample.seconds, sys.stdout, header=self.taken == 1)


class _Rows(Display):
    """Write one row per owner and sample with the column names of the API, for programs."""

    def _draw(self, sample: "Sample") -> None:
        rows, _, owners = self._growth()
        self._note_cut(owners - len(rows))
        rows = rows.drop(columns=["past", "label"])
        rows.insert(0, "sample", sample.number)
        rows.insert(1, "seconds", sample.seconds)
        self._write(rows)
        sys.stdout.flush()

    def _write(self, rows: "pd.DataFrame") -> None:
        raise NotImplementedError


class Csv(_Rows):
    """Write the rows as comma-separated values."""

    def _write(self, rows: "pd.DataFrame") -> None:
        from spo_trace.reporters.csv_file import render_csv

        render_csv([rows], sys.stdout, header=self.taken == 1)


class JsonLines(_Rows):
    """Write each row as a JSON object on its own line."""

    def _write(self, rows: "pd.DataFrame") -> None:
        from spo_trace.reporters.json_file import render_json_lines

        render_json_lines(rows, sys.stdout)
