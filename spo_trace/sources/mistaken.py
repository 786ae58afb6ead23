# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a path that is not a capture is: a recording, a snapshot, a file of either, or a directory of snapshots."""

from pathlib import Path

from spo_trace.errors import Call, SpoTraceError

__all__ = ["what_it_is"]

# Of snapshots and of recordings (sampling.recording): the file that each has, and no other directory.
_SNAPSHOT, _RECORDING = "snapshot.json", "series.json"

_NAMED = 6


def what_it_is(given: str) -> SpoTraceError | None:
    """Return the error that says what a path is instead of a capture, and what reads it; None if that is unclear."""
    path = Path(given)
    if (path / _RECORDING).is_file():
        return SpoTraceError(f"{given} is a recording of samples", hint=("it is for: ", Call("trend", samples=given)))
    if (path / _SNAPSHOT).is_file():
        return SpoTraceError(f"{given} is a snapshot already", hint=("read it: ", Call("attribute", snap=given)))
    if path.is_file() and path.suffix in (".json", ".parquet"):
        for mark, kind, function in ((_SNAPSHOT, "snapshot", "attribute"), (_RECORDING, "recording", "trend")):
            if (path.parent / mark).is_file():
                whole = str(path.parent)
                call = Call(function, **{"samples" if function == "trend" else "snap": whole})
                return SpoTraceError(f"{given} is one file of the {kind} {whole}", hint=("name the directory: ", call))
    if path.is_dir() and (inside := _snapshots(path)):
        names = ", ".join(str(snapshot) for snapshot in inside[:_NAMED])
        growth = Call("trend", samples=given)
        return SpoTraceError(
            f"{given} is a directory of snapshots", hint=(f"name one of {names}; or see how they grow: ", growth)
        )
    return None


def _snapshots(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if (path / _SNAPSHOT).is_file())
    except OSError:
        return []
