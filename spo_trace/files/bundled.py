# SPDX-License-Identifier: LGPL-2.1-or-later
"""Data files of spo-trace, in the wheel or in the source tree."""

from pathlib import Path

from spo_trace.errors import SpoTraceError

__all__ = ["bpf_object", "bpf_program", "capture_script", "real_captures", "scenario_path", "scenarios"]

_PACKAGE = Path(__file__).parents[1]
_FIXTURES = _PACKAGE.parent / "fixtures"


def scenarios() -> dict[str, Path]:
    """Return the bundled simulator scenarios by name."""
    packed = _PACKAGE / "scenarios"
    directory = packed if packed.is_dir() else _FIXTURES / "scenarios"
    return {path.stem: path for path in sorted(directory.glob("*.toml"))}


def scenario_path(name: str) -> Path:
    """Return the scenario file with the path `name`, or the bundled one with that name."""
    if Path(name).is_file():
        return Path(name)
    known = scenarios()
    if name not in known:
        raise SpoTraceError(f"there is no scenario {name}", hint=f"name a TOML file, or one of {', '.join(known)}")
    return known[name]


def real_captures() -> Path | None:
    """Return the directory of captures from real kernels, None in a wheel, which does not contain them."""
    directory = _FIXTURES / "captures"
    return directory if directory.is_dir() else None


def capture_script() -> Path:
    """Return the shell script that makes captures on machines without Python."""
    return _PACKAGE / "capture.sh"


def bpf_program() -> Path:
    """Return the C source of the BPF program."""
    packed = _PACKAGE / "bpf"
    return (packed if packed.is_dir() else _PACKAGE.parent / "bpf") / "swap_owner.c"


def bpf_object() -> Path | None:
    """Return the compiled BPF program; None if spo-trace was built without clang."""
    path = _PACKAGE / "native" / "swap_owner.bpf.o"
    return path if path.is_file() else None
