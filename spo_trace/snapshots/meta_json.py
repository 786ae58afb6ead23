# SPDX-License-Identifier: LGPL-2.1-or-later
"""Read and write snapshot.json. Files of older schema versions are read into the current types."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from spo_trace import schema
from spo_trace.errors import SpoTraceError
from spo_trace.formats.aggregate_kind import AggregateKind
from spo_trace.formats.missing import Missing, Why
from spo_trace.formats.reasons import Reason
from spo_trace.snapshots.damage import NOT_OURS, damaged
from spo_trace.snapshots.json_fields import DamagedJson, JsonFields
from spo_trace.snapshots.machine_json import machine_json, numbers_of, read_machine
from spo_trace.snapshots.meta import (
    CollectionCost,
    FileCounts,
    Meta,
    Origin,
    SourceFacts,
    SwapOwner,
    TraceFacts,
    reason_text,
)
from spo_trace.snapshots.method import Method
from spo_trace.version import UPGRADE

__all__ = ["NAME", "meta_bytes", "read_meta"]

NAME = "snapshot.json"


def read_meta(directory: Path) -> Meta:
    """Return the metadata of the snapshot in `directory`.

    Raise SpoTraceError if it is not a snapshot, is of a newer schema version, or has a damaged snapshot.json.
    """
    try:
        fields = JsonFields.read(directory / NAME)
        version = fields.number("schema_version", least=1)
        if version > schema.SCHEMA_VERSION:
            raise SpoTraceError(
                f"{directory} has schema version {version}; this spo-trace reads up to {schema.SCHEMA_VERSION}",
                hint=UPGRADE,
            )
        return _meta(fields, version)
    except OSError as error:
        if error.errno in NOT_OURS:
            raise damaged(directory, f"{NAME}: {error.strerror}") from error
        raise SpoTraceError(
            f"{directory} is not a snapshot: {error.strerror}", hint="make one: spo-trace snapshot"
        ) from error
    except DamagedJson as error:
        raise damaged(directory, f"{NAME}: {error.message}") from error


def _meta(fields: JsonFields, version: int) -> Meta:
    files, missing = fields.nested("files"), fields.nested_or_none("missing")
    return Meta(
        schema_version=version,
        tool_version=fields.text_or_none("tool_version"),
        written_at=fields.text_or_none("written_at"),
        source=_source(fields.nested_or_none("source")),
        swap_owner=_swap_owner(fields.nested("swap_owner")),
        files={name: _file_counts(files.nested(name), version) for name in files},
        missing={name: _why(missing.nested(name)) for name in missing} if missing else {},
        method=_method(fields),
        compared=fields.number_or_none("compared"),
        method_why=fields.text_or_none("method_why"),
        cost=_cost(fields.nested_or_none("cost")),
        warnings=fields.texts("warnings"),
        page_columns=fields.texts("page_columns") if fields.has("page_columns") else None,
        aggregate=_aggregate(fields),
        modified_at=fields.text_or_none("modified_at"),
        machine=read_machine(fields, version),
    )


# Versions before 5 have none.
def _aggregate(fields: JsonFields) -> AggregateKind | None:
    name = fields.text_or_none("aggregate")
    if name is not None and name not in set(AggregateKind):
        raise fields.wrong("aggregate", f"one of {', '.join(AggregateKind)}")
    return None if name is None else AggregateKind(name)


# Versions before 4 have none.
def _method(fields: JsonFields) -> Method | None:
    name = fields.text_or_none("method")
    if name is not None and name not in set(Method):
        raise fields.wrong("method", f"one of {', '.join(Method)}")
    return None if name is None else Method(name)


def _source(fields: JsonFields | None) -> SourceFacts:
    if fields is None:
        return SourceFacts()
    options = {key: fields.text(key) for key in fields if key not in ("kind", "cut_off")}
    return SourceFacts(fields.text_or_none("kind"), options, fields.text_or_none("cut_off"))


# Versions 1 and 2 have no code; version 1 has no kept_by_kernel either.
def _swap_owner(fields: JsonFields) -> SwapOwner:
    name = fields.text_or_none("origin")
    if name is not None and name not in set(Origin):
        raise fields.wrong("origin", f"one of {', '.join(Origin)}")
    origin = Origin(name) if name is not None else None
    return SwapOwner(
        origin,
        _why(fields) if origin is None else None,
        fields.flag("kept_by_kernel", default=origin is not None and origin is not Origin.BPF),
        _trace(fields) if origin is Origin.BPF else None,
    )


def _why(fields: JsonFields) -> Why:
    code = fields.text_or_none("code")
    return Why(Missing(code) if code in set(Missing) else Missing.UNKNOWN, fields.text_or_none("why") or "unknown")


def _trace(fields: JsonFields) -> TraceFacts:
    hooks = fields.nested_or_none("hooks")
    return TraceFacts(
        attached_at=fields.text_or_none("attached_at"),
        used_at_attach=fields.number_or_none("used_at_attach") or 0,
        unknown_pages=fields.number_or_none("unknown_pages") or 0,
        lost_pages=fields.number_or_none("lost_pages") or 0,
        slot_cache_pages=fields.number_or_none("slot_cache_pages") or 0,
        hooks={role: hooks.text(role) for role in hooks} if hooks else {},
        counters=numbers_of(fields.nested_or_none("counters")),
    )


def _file_counts(fields: JsonFields, version: int) -> FileCounts:
    return FileCounts(
        records=fields.number("records"),
        malformed=fields.number_or_none("malformed") or 0,
        notes=fields.number_or_none("notes") or 0,
        reasons=_occurrences(fields.nested_or_none("reasons"), version),
        marks=_occurrences(fields.nested_or_none("marks"), version),
        first_reject=fields.text_or_none("first_reject"),
        not_kept=fields.number_or_none("not_kept") or 0,
        skipped=numbers_of(fields.nested_or_none("skipped")),
        retried=fields.number_or_none("retried") or 0,
        problem=fields.text_or_none("problem"),
        note=fields.text_or_none("note"),
        began=fields.real_or_none("began") or 0.0,
        seconds=fields.real_or_none("seconds") or 0.0,
        oldest_ts_nsec=fields.number_or_none("oldest_ts_nsec"),
        newest_ts_nsec=fields.number_or_none("newest_ts_nsec"),
        back_at_line=fields.number_or_none("back_at_line"),
        repeated=fields.number_or_none("repeated") or 0,
        overlapping=fields.number_or_none("overlapping") or 0,
        unnumbered=fields.number_or_none("unnumbered") or 0,
    )


# Up to version 2, reasons are {text: number}. Map the text of CUT_OFF to its code: verdicts and warnings depend on it.
_CODES = {"the record is cut off: it has no empty line at its end": Reason.CUT_OFF.value}


def _occurrences(fields: JsonFields | None, version: int) -> Counter[str]:
    if fields is None:
        return Counter()
    if version < 3:
        return Counter({_CODES.get(text, text): fields.number(text) for text in fields})
    return Counter({code: fields.nested(code).number("number") for code in fields})


def _cost(fields: JsonFields | None) -> CollectionCost | None:
    if fields is None:
        return None
    return CollectionCost(
        seconds=fields.real("seconds"),
        cpu_seconds=fields.real("cpu_seconds"),
        skew_seconds=fields.real("skew_seconds"),
        max_rss=fields.number("max_rss"),
        own_pages=fields.number_or_none("own_pages"),
    )


def meta_bytes(meta: Meta) -> bytes:
    """Return `meta` as the content of snapshot.json, in the current schema version."""
    values: dict[str, object] = {
        "schema_version": schema.SCHEMA_VERSION,
        "tool_version": meta.tool_version,
        "written_at": meta.written_at,
        "source": _source_json(meta.source),
        "swap_owner": _swap_owner_json(meta.swap_owner),
        "files": {name: _file_json(counts) for name, counts in meta.files.items()},
        "missing": {name: {"code": why.code, "why": why.text} for name, why in meta.missing.items()},
        "method": meta.method,
        "compared": meta.compared,
        "method_why": meta.method_why,
        "cost": asdict(meta.cost) if meta.cost else None,
        "warnings": list(meta.warnings),
    }
    if meta.aggregate is not None:
        values["aggregate"] = meta.aggregate
    if meta.modified_at is not None:
        values["modified_at"] = meta.modified_at
    if meta.page_columns is not None:
        values["page_columns"] = list(meta.page_columns)
    return json.dumps(values | machine_json(meta.machine), indent=1, ensure_ascii=True).encode() + b"\n"


def _source_json(source: SourceFacts) -> dict[str, object]:
    cut_off = {"cut_off": source.cut_off} if source.cut_off else {}
    return {"kind": source.kind, **source.options, **cut_off}


def _swap_owner_json(owner: SwapOwner) -> dict[str, object]:
    code, text = (owner.why.code, owner.why.text) if owner.why else (None, None)
    trace = asdict(owner.trace) if owner.trace else {}
    return {"origin": owner.origin, "why": text, "code": code, **trace, "kept_by_kernel": owner.kept_by_kernel}


# What is 0 or unknown is left out, except the number of records.
def _file_json(counts: FileCounts) -> dict[str, object]:
    values = asdict(counts) | {"reasons": _occurrences_json(counts.reasons), "marks": _occurrences_json(counts.marks)}
    return {"records": counts.records} | {name: value for name, value in values.items() if value}


def _occurrences_json(occurrences: Counter[str]) -> dict[str, object]:
    return {code: {"text": reason_text(code), "number": number} for code, number in occurrences.items()}
