# SPDX-License-Identifier: LGPL-2.1-or-later
"""A recording: a directory with a small Parquet file for each sample, and their common metadata in series.json."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from spo_trace.analysis.question import Question
from spo_trace.errors import SpoTraceError
from spo_trace.files.access import OWN, Access
from spo_trace.files.closeable import Closeable
from spo_trace.files.descriptors import begins_with, cannot_write, is_leftover, names
from spo_trace.files.kind import Kind
from spo_trace.files.output_directory import OutputDirectory
from spo_trace.sampling.sample_file import is_sample, read_sample, sample_number
from spo_trace.sampling.samples import Sample
from spo_trace.sampling.series_meta import NAME, SeriesMeta, read_series_meta
from spo_trace.snapshots.damage import damaged, naming_damage
from spo_trace.snapshots.dataframes import to_frame
from spo_trace.stacks.text import join_frames

__all__ = ["Recording", "is_recording", "read_recording"]


class Recording(Closeable):
    """Write samples to a directory (by default 0700, files 0600), in which each file is complete when it appears.

    A sample's table: sample (from 1), seconds (since the first), taken_at (UTC), the keys, key_known and
    SERIES_AMOUNTS. Stacks are text, with frames joined by `join_frames`.
    """

    def __init__(self, directory: Path, question: Question, *, access: Access = OWN, force: bool = False) -> None:
        """Set the directory. The first sample creates it and, with `force`, replaces an old recording."""
        if not directory.absolute().parent.is_dir():
            raise SpoTraceError(f"{directory.parent} is not a directory", hint="create it, or choose another directory")
        self._directory = directory
        self._question = question
        self._output = OutputDirectory(directory, _RECORDING, access=access, force=force)

    def close(self) -> None:
        """Close the directory; the recorded samples are kept."""
        self._output.close()

    def add(self, sample: Sample) -> None:
        """Write a sample's table; with the first one, also the common metadata."""
        name = f"{sample.number:06}.parquet"
        try:
            if sample.number > 1:
                return self._output.add(name, _parquet(sample))
            return self._begin({NAME: SeriesMeta.of(self._question, sample).content(), name: _parquet(sample)})
        except OSError as error:
            raise cannot_write(self._directory / name, error, "the samples before it are kept") from error

    def _begin(self, files: dict[str, bytes]) -> None:
        self._output.__enter__()
        for name, content in files.items():
            with self._output.create(name) as file:
                file.write(content)
        self._output.commit()


def _parquet(sample: Sample) -> bytes:
    of_sample = {"sample": sample.number, "seconds": sample.seconds, "taken_at": sample.taken_at}
    frames = [name for name in ("stack", "symbols") if name in sample.table]
    # A sample without owners has one row, in which the stack is missing.
    texts = sample.table.assign(**{name: sample.table[name].map(join_frames, na_action="ignore") for name in frames})
    table = pd.concat([pd.DataFrame(of_sample, index=sample.table.index), texts], axis="columns")
    sink = pa.BufferOutputStream()
    rows = pa.Table.from_pandas(table, preserve_index=False)
    pq.write_table(rows, sink, compression="zstd", compression_level=9, write_page_checksum=True)
    return bytes(sink.getvalue())


def _is_ours(name: str) -> bool:
    return name == NAME or is_sample(name)


# A watch that was killed can leave a sample under a hidden name.
def _files(directory: int) -> list[str] | None:
    found = names(directory)
    if NAME in found and all(is_leftover(name) or _is_recorded(name, directory) for name in found):
        return found
    return None


def _is_recorded(name: str, directory: int) -> bool:
    start = b'{\n "series_version": ' if name == NAME else b"PAR1"
    return _is_ours(name) and begins_with(start, name, directory)


# Only recordings are replaced.
_RECORDING = Kind("a recording", _files)


def is_recording(directory: Path) -> bool:
    """Return whether `directory` is a recording."""
    return (directory / NAME).is_file()


def read_recording(directory: Path) -> tuple[SeriesMeta, pd.DataFrame]:
    """Return what the samples of a recording have in common, and one table of all; names are categories, stacks text.

    A recording can be read while it is being written; samples may be missing in it. Raise SpoTraceError if it is
    damaged.
    """
    with naming_damage(directory / NAME):
        meta = read_series_meta(directory)
    tables: list[pa.Table] = []
    earlier: float | None = None
    for path in sorted((path for path in directory.iterdir() if is_sample(path.name)), key=sample_number):
        earlier, table = read_sample(path, meta.by, earlier)
        tables.append(table)
    if not tables:
        raise damaged(directory, "it has no samples")
    try:
        # A key that is missing in all rows of a sample has the type null there.
        joined = pa.concat_tables(tables, promote_options="permissive").unify_dictionaries()
    except pa.ArrowException as error:
        raise damaged(directory, "a column is of different types in two samples") from error
    return meta, to_frame(joined)
