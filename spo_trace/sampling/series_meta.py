# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the samples of a recording have in common: the content of its series.json."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from spo_trace.analysis.keys import COUNTED_APART, KEYS
from spo_trace.analysis.place_keys import is_range
from spo_trace.analysis.question import Question
from spo_trace.errors import SpoTraceError
from spo_trace.sampling.method import counts_lack_stacks
from spo_trace.sampling.samples import Sample
from spo_trace.snapshots.damage import damaged
from spo_trace.snapshots.json_fields import DamagedJson, JsonFields
from spo_trace.version import UPGRADE, __version__

__all__ = ["NAME", "SeriesMeta", "read_series_meta"]

NAME = "series.json"

_VERSION = 1


@dataclass(frozen=True, slots=True)
class SeriesMeta:
    """Hold the question that the samples answer (`by`, `where`), how they were read, and the machine.

    `method` is counts, memory or text (in older recordings full), `method_reason` a code of MethodReason; `page_size`
    is in bytes. All but `by` may be None: unknown, for `where` no condition.
    """

    by: list[str]
    where: str | None = None
    method: str | None = None
    method_reason: str | None = None
    host: str | None = None
    kernel_release: str | None = None
    kernel_version: str | None = None
    arch: str | None = None
    page_size: int | None = None
    boot_id: str | None = None
    cmdline: str | None = None

    @classmethod
    def of(cls, question: Question, sample: Sample) -> Self:
        """Return the metadata of a recording of `question` whose first sample is `sample`."""
        machine = sample.meta.machine
        return cls(
            by=question.keys,
            where=question.condition.text,
            method=sample.method,
            method_reason=sample.method_reason,
            host=machine.host,
            kernel_release=machine.kernel_release,
            kernel_version=machine.kernel_version,
            arch=machine.arch,
            page_size=machine.page_size,
            boot_id=machine.boot_id,
            cmdline=machine.cmdline,
        )

    @property
    def lacks_stacks(self) -> bool:
        """Return whether the samples may lack stacks, because the kernel does not count all of them."""
        return self.method == "counts" and counts_lack_stacks(self.kernel_release)

    def content(self) -> bytes:
        """Return the content of series.json."""
        versions = {"series_version": _VERSION, "tool_version": __version__}
        return json.dumps(versions | asdict(self), indent=1).encode()


def read_series_meta(directory: Path) -> SeriesMeta:
    """Return what the samples of the recording `directory` have in common.

    Raise SpoTraceError if it is of a newer version or damaged, OSError if it can't be read.
    """
    try:
        fields = JsonFields.read(directory / NAME)
        if fields.number("series_version", least=1) > _VERSION:
            raise SpoTraceError(f"{directory} is of a newer spo-trace", hint=UPGRADE)
        by = fields.texts("by")
        if len(set(by)) < len(by) or not all(name in {*KEYS, *COUNTED_APART} or is_range(name) for name in by):
            raise fields.wrong("by", "a list of different keys")
        return SeriesMeta(
            by=by,
            where=fields.text_or_none("where"),
            method=fields.text_or_none("method"),
            method_reason=fields.text_or_none("method_reason"),
            host=fields.text_or_none("host"),
            kernel_release=fields.text_or_none("kernel_release"),
            kernel_version=fields.text_or_none("kernel_version"),
            arch=fields.text_or_none("arch"),
            page_size=fields.number_or_none("page_size"),
            boot_id=fields.text_or_none("boot_id"),
            cmdline=fields.text_or_none("cmdline"),
        )
    except DamagedJson as error:
        raise damaged(directory, f"{NAME}: {error.message}") from error
