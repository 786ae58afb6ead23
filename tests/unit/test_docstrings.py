# SPDX-License-Identifier: LGPL-2.1-or-later
"""The examples in docstrings produce the output that they show."""

import doctest
import gzip
from contextlib import chdir
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import spo_trace as spo
from tests.support import tar_of

PACKAGE = Path(spo.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
    if "\n    >>> " in path.read_text() or "\n>>> " in path.read_text()
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the files in the examples: snapshots, a capture and a recording."""
    directory = tmp_path_factory.mktemp("examples")
    for name, stage in (("before", "0-start"), ("now", "2-swapped")):
        spo.snapshot(directory / f"{name}.spo", from_="quick", backend="simulator", stage=stage)
    files = Path(__file__).parents[2] / "fixtures" / "captures" / "7.2-spo" / "0-initial"
    content = {path.name: path.read_bytes() for path in sorted(files.rglob("*")) if path.is_file()}
    (directory / "capture.tar.gz").write_bytes(gzip.compress(tar_of(content)))
    list(spo.watch("comm", from_="leak", backend="simulator", record=directory / "day"))
    return directory


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str, place: Path) -> None:
    module: ModuleType = import_module(name)
    with chdir(place):
        outcome = doctest.testmod(module, extraglobs={"spo": spo, "gzip": gzip})
    assert outcome.attempted > 0
    assert outcome.failed == 0


def test_all_examples_are_run() -> None:
    assert [str(path) for path in PACKAGE.rglob("*.py") if "doctest: +SKIP" in path.read_text()] == []


def test_the_public_functions_have_examples() -> None:
    public = {name: getattr(spo, name) for name in dir(spo) if not name.startswith("_")}
    functions = {name for name, value in public.items() if callable(value) and not isinstance(value, type)}
    assert [name for name in sorted(functions) if ">>> " not in (public[name].__doc__ or "")] == []
