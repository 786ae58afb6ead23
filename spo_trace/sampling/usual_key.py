# SPDX-License-Identifier: LGPL-2.1-or-later
"""The keys of a series of samples, if none were asked for."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from spo_trace.analysis.aggregate_keys import with_usual_key
from spo_trace.analysis.question import Question
from spo_trace.collect.snapshot import collect
from spo_trace.files.scratch import naming_full_disk, scratch_directory
from spo_trace.sources.backends import backend_name
from spo_trace.sources.capture import CaptureSource
from spo_trace.sources.series import choose_series

__all__ = ["with_key_of_samples"]


def with_key_of_samples(question: Question, backend: str | None, paths: Sequence[str]) -> Question:
    """Return the question by the usual key of the first sample if no keys were asked for.

    Only captures without a list of pages need that; they are small. A pipe can be read only once: its question is
    returned as it is.
    """
    if not question.is_open or backend_name(backend, paths) != "capture":
        return question
    if not all(Path(path).is_file() or Path(path).is_dir() for path in paths):
        return question
    first = next(choose_series(backend, paths), None)
    if not isinstance(first, CaptureSource) or first.lists_pages:
        return question
    with naming_full_disk(), tempfile.TemporaryDirectory(dir=scratch_directory()) as directory:
        return with_usual_key(question, collect(first, Path(directory) / "first.spo"))
