# SPDX-License-Identifier: LGPL-2.1-or-later
"""pprof's gzipped profile.proto: mem_bytes, swap_bytes and pages, labelled with comm, memcg and order."""

import collections.abc
import gzip
from collections.abc import Collection, Iterable, Sequence
from typing import Any, BinaryIO

import pandas as pd
from pure_protobuf.annotations import uint

from spo_trace.printable import printable
from spo_trace.reporters.format import UNKNOWN
from spo_trace.reporters.frames import Frame, frames_of
from spo_trace.reporters.moment import seconds_since_1970
from spo_trace.reporters.names import shown_name
from spo_trace.reporters.profile_proto import Function, Label, Line, Location, Mapping, Profile, Sample, ValueType
from spo_trace.schema import KEY_KNOWN

__all__ = ["render_pprof"]

_AMOUNTS = ("mem", "swap")
_LABELS = ("comm", "memcg", "order")


def render_pprof(
    table: pd.DataFrame,
    outfile: BinaryIO,
    *,
    taken_at: str | None = None,
    comments: Sequence[str] = (),
    unknown: Collection[str] = (),
) -> None:
    """Write one sample per row of `table`: an attribution by stack, symbols, comm, memcg and order.

    Functions have names without offsets, so that `-diff_base` also compares different kernel builds; their file is the
    module. Pages in the swap cache count once in `pages`. Unknown keys (memcg and order of swap) have the label `?`;
    keys that are known to be none (memcg of a page that is not charged) have no label. `taken_at`: ISO 8601, UTC.
    `unknown` (`mem` or `swap`): amounts that are left out.
    """
    known = [name for name in _AMOUNTS if name not in unknown]
    sizes = [f"{name}_bytes" for name in known]
    pages = table[[f"{name}_pages" for name in known]].sum(axis=1) - table["swap_cache_pages"].fillna(0)
    builder = _Builder(sizes)
    counted = (
        table[["stack", "symbols", KEY_KNOWN, *_LABELS, *sizes]].fillna(dict.fromkeys(sizes, 0)).assign(pages=pages)
    )
    for stack, symbols, is_known, comm, memcg, order, *values in counted.itertuples(index=False, name=None):
        labels = dict(zip(_LABELS, (comm, memcg, order), strict=True))
        builder.add_sample(frames_of(stack, symbols), values, labels, known=is_known)
    profile = builder.profile
    # pprof shows no time for 0.
    profile.time_nanos = (seconds_since_1970(taken_at) or 0) * 1_000_000_000
    profile.comment = [builder.string(text) for text in comments]
    # The file contains no time of writing, so that the same snapshot gives the same bytes.
    with gzip.GzipFile(filename="", fileobj=outfile, mode="wb", mtime=0) as packed:
        packed.write(bytes(profile))


# A name must differ from the mark of an unknown one.
def _label_text(value: Any) -> Any:
    return shown_name(value) if isinstance(value, str) else value


class _Builder:
    """Assign numbers to strings, mappings, functions and locations as samples are added; one location per frame."""

    def __init__(self, sizes: Sequence[str]) -> None:
        self._strings = {"": 0}
        self._mappings: dict[str, uint] = {}
        self._locations: dict[Frame, uint] = {}
        self.profile = Profile(string_table=[""])
        types = [*((name, "bytes") for name in sizes), ("pages", "count")]
        self.profile.sample_type = [ValueType(self.string(name), self.string(unit)) for name, unit in types]
        self.profile.default_sample_type = self.string(sizes[0])
        # pprof expects the main program in the first mapping.
        self._mapping("vmlinux")

    def string(self, text: str) -> int:
        """Return the index of `text`, escaped for terminals, in the string table."""
        text = printable(text)
        if text not in self._strings:
            self._strings[text] = len(self._strings)
            self.profile.string_table.append(text)
        return self._strings[text]

    def add_sample(
        self, frames: Iterable[Frame], values: Iterable[int], labels: collections.abc.Mapping[str, Any], *, known: bool
    ) -> None:
        """Add a stack, innermost frame first; labels that are missing (NA) are `?` unless `known`, else left out."""
        locations = [self._location(frame) for frame in frames]
        missing = None if known else UNKNOWN
        given = [(key, missing if pd.isna(value) else _label_text(value)) for key, value in labels.items()]
        made = [self._label(key, value) for key, value in given if value is not None]
        self.profile.sample.append(Sample(locations, [int(value) for value in values], made))

    def _label(self, key: str, value: Any) -> Label:
        if isinstance(value, str):
            return Label(self.string(key), self.string(value))
        return Label(self.string(key), num=int(value), num_unit=self.string(key))

    def _location(self, frame: Frame) -> uint:
        if frame not in self._locations:
            number = uint(len(self._locations) + 1)
            self._locations[frame] = number
            names = (self.string(text) for text in (frame.function, frame.text, frame.module))
            self.profile.function.append(Function(number, *names))
            self.profile.location.append(Location(number, self._mapping(frame.module), [Line(number)]))
        return self._locations[frame]

    def _mapping(self, module: str) -> uint:
        if module not in self._mappings:
            self._mappings[module] = uint(len(self._mappings) + 1)
            mapping = Mapping(self._mappings[module], self.string(module), has_functions=True, has_filenames=True)
            self.profile.mapping.append(mapping)
        return self._mappings[module]
