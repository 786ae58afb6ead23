# SPDX-License-Identifier: LGPL-2.1-or-later
"""A recording: a directory with a small Parquet file for each sample, and what they have in common in series.json."""

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from spo_trace.errors import SpoTraceError
from spo_trace.formats.stack_text import join_frames
from spo_trace.private_files import make_sibling, sibling_name, take_place
from spo_trace.sampling.samples import Question, Sample
from spo_trace.snapshots.frames import to_frame
from spo_trace.version import __version__

__all__ = ["Recording", "is_recording", "read_recording"]

_VERSION = 1
_META = "series.json"
_UNFINISHED = ".sample-"
_KEPT_FACTS = ("host", "kernel_release", "kernel_version", "arch", "page_size", "boot_id", "cmdline")


class Recording:
    """Keep samples in a directory of this user's alone (0700, files 0600), each file whole from the moment it is there.

    A sample's table: sample (from 1), seconds (since the first), taken_at (UTC), the keys, mem_bytes, swap_bytes and
    total_bytes. Stacks are text there, their frames joined by `join_frames`.
    """

    def __init__(self, directory: Path, question: Question, *, force: bool = False) -> None:
        """Name the directory; it is made, and with `force` an old recording replaced, when there is a first sample."""
        _check_directory(directory, force=force)
        self._directory = directory
        self._question = question
        self._force = force

    def add(self, sample: Sample) -> None:
        """Write a sample's table; with the first one, what all have in common."""
        if sample.number > 1:
            return _write(self._directory / _file_name(sample), _parquet(sample))
        begun = sibling_name(self._directory)
        try:
            make_sibling(begun, self._directory)
            _write(begun / _META, json.dumps(self._common(sample), indent=1).encode() + b"\n")
            _write(begun / _file_name(sample), _parquet(sample))
            _check_directory(self._directory, force=self._force)
            return take_place(begun, self._directory)
        finally:
            shutil.rmtree(begun, ignore_errors=True)

    def _common(self, sample: Sample) -> dict[str, Any]:
        question = {"by": self._question.keys, "where": self._question.where, "method": sample.method}
        facts = {name: sample.meta.get(name) for name in _KEPT_FACTS}
        return {"series_version": _VERSION, "tool_version": __version__, **question, **facts}


def _file_name(sample: Sample) -> str:
    return f"{sample.number:06}.parquet"


def _parquet(sample: Sample) -> pa.Buffer:
    of_sample = {"sample": sample.number, "seconds": sample.seconds, "taken_at": sample.taken_at}
    frames = [name for name in ("stack", "symbols") if name in sample.table]
    # Where nobody owns anything, the one row has no stack.
    texts = sample.table.assign(**{name: sample.table[name].map(join_frames, na_action="ignore") for name in frames})
    table = pd.concat([pd.DataFrame(of_sample, index=sample.table.index), texts], axis="columns")
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), sink, compression="zstd", compression_level=9)
    return sink.getvalue()


def _write(path: Path, content: bytes | pa.Buffer) -> None:
    try:
        fd, temporary = tempfile.mkstemp(prefix=_UNFINISHED, dir=path.parent)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(content)
            Path(temporary).rename(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        hint = "the samples before it are kept"
        raise SpoTraceError(f"{path} can't be written: {error.strerror}", hint=hint) from error


# Only a recording is ever replaced.
def _check_directory(directory: Path, *, force: bool) -> None:
    if not directory.absolute().parent.is_dir():
        raise SpoTraceError(f"{directory.parent} is not a directory", hint="make it, or choose another place")
    if directory.is_symlink():
        raise SpoTraceError(f"{directory} is a symbolic link", hint="links are not followed: name the directory itself")
    if not directory.exists():
        return
    # What a sample is called while it is written is left where a watch was killed.
    if not directory.is_dir() or not all(
        _is_ours(path.name) or path.name.startswith(_UNFINISHED) for path in directory.iterdir()
    ):
        raise SpoTraceError(f"{directory} exists and is not a recording", hint="choose another name")
    if not force:
        raise SpoTraceError(f"{directory} exists", hint="choose another name, or replace it with --force")


def _is_ours(name: str) -> bool:
    return name == _META or (name.endswith(".parquet") and name.removesuffix(".parquet").isdecimal())


def is_recording(directory: Path) -> bool:
    """Tell whether `directory` is a recording."""
    return (directory / _META).is_file()


def read_recording(directory: Path) -> tuple[list[str], pd.DataFrame]:
    """Return the keys of a recording, and the tables of all its samples in one; names are categories, stacks are text.

    A recording may be read while it is made. Raise SpoTraceError if it is damaged.
    """
    files = sorted(path for path in directory.iterdir() if _is_ours(path.name) and path.name != _META)
    try:
        meta = json.loads((directory / _META).read_bytes())
        if meta["series_version"] != _VERSION:
            raise SpoTraceError(f"{directory} is of a newer spo-trace", hint="upgrade: pip install -U spo-trace")
        keys = [str(key) for key in meta["by"]]
        # Each name is held once, however many samples have it: a day of stacks is gigabytes otherwise.
        tables = [pq.read_table(path, partitioning=None, read_dictionary=keys) for path in files]
        # A key that is missing in all of a sample's rows has no type there.
        table = to_frame(pa.concat_tables(tables, promote_options="permissive").unify_dictionaries())
        return keys, table[["sample", "seconds", "taken_at", *keys, "mem_bytes", "swap_bytes", "total_bytes"]]
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        said = str(error).partition("\n")[0]
        raise SpoTraceError(f"{directory} is damaged: {said}", hint="was it copied as a whole?") from error
