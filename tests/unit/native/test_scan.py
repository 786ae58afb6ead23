# SPDX-License-Identifier: LGPL-2.1-or-later
"""The C scanner alone: it accesses only its buffers, and colliding hashes merge no strings."""

import ctypes
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from spo_trace.formats import runs
from spo_trace.formats.fast import scanner
from spo_trace.native import library
from tests.fuzz.fuzz_page_owner import mutate, seeds
from tests.unit.formats.fast.comparing import assert_same
from tests.unit.formats.fast.test_batches import many
from tests.unit.formats.fast.test_swap_entries import RECORD as ENTRY

SOURCES = library.PATH.parent

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")


def compile_scanner(output: Path, *options: str | Path) -> Path:
    """Compile the sources of the library with additional `options`."""
    command = ["cc", "-std=c11", "-O2", "-g", "-Wall", "-Wextra", "-Werror", f"-I{SOURCES}", "-o", str(output)]
    subprocess.run([*command, *options, *sorted(SOURCES.glob("*.c"))], check=True)
    return output


@pytest.mark.parametrize("options", [(), ("-U__SSE2__", "-U__SIZEOF_INT128__")], ids=["SSE2", "plain"])
def test_damaged_texts_are_read_within_bounds(tmp_path: Path, options: tuple[str, ...]) -> None:
    # GIVEN a scanner built with sanitizers, and damaged texts, cut anywhere
    sanitize = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    program = compile_scanner(tmp_path / "scan_file", *sanitize, *options, Path(__file__).with_name("scan_file.c"))
    choose = random.Random(7)
    inputs = [*seeds(), b"\0" + ENTRY * 3]
    texts = [mutate(choose, inputs)[1:] for _ in range(3000)] + [many(3000), b"", b"\n"]
    texts += [ENTRY[:cut] for cut in range(len(ENTRY))]
    path = tmp_path / "texts"
    path.write_bytes(b"".join(len(text).to_bytes(8, "little") + text for text in texts))
    # WHEN it scans them
    done = subprocess.run([program, path], capture_output=True, text=True, check=False)
    # THEN the sanitizers find nothing, and each text is scanned
    assert done.stderr == ""
    assert done.returncode == 0
    rows = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    assert len(rows) == 4 * len(texts)
    # AND in windows of a file, the same records as at once
    assert [row[:2] for row in rows[3::4]] == [row[:2] for row in rows[0::4]]
    assert sum(row[0] for row in rows) > 1000


def test_strings_whose_hashes_are_equal_stay_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN a library with only two different hashes
    path = compile_scanner(tmp_path / "libspo.so", "-shared", "-fPIC", "-DSPO_HASH_MASK=1")
    monkeypatch.setattr(library, "load", lambda: ctypes.CDLL(str(path)))
    # WHEN it stores many strings, THEN they stay distinct
    same = assert_same(many(700))
    assert same.table.num_rows == 700


def test_the_structs_are_those_of_the_header(tmp_path: Path) -> None:
    # GIVEN the offsets and sizes of the structs in scan.h
    fields = {
        "spo_page_row": scanner.PAGE_ROW,
        "spo_swap_row": scanner.SWAP_ROW,
        "spo_left": scanner._LEFT,
    }
    asked = [
        f'printf("%zu\\n", offsetof(struct {name}, {_c_name(field)}));'
        for name, row in fields.items()
        for field in row.names or ()
    ]
    sizes = [f'printf("%zu\\n", sizeof(struct {name}));' for name in [*fields, "spo_block", "spo_scan"]]
    source = tmp_path / "offsets.c"
    body = "\n".join([*asked, *sizes, 'printf("%d\\n", SPO_PADDING);'])
    includes = "".join(f"#include {name}\n" for name in ("<stddef.h>", "<stdio.h>", '"scan.h"'))
    source.write_text(f"{includes}int main(void) {{\n{body}\n}}\n")
    program = tmp_path / "offsets"
    subprocess.run(["cc", f"-I{SOURCES}", "-o", program, source], check=True)
    printed = [int(line) for line in subprocess.check_output([program], text=True).split()]
    # THEN those in Python are the same
    offsets = [row.fields[field][1] for row in fields.values() if row.fields for field in row.names or ()]
    own = [row.itemsize for row in fields.values()]
    assert printed == [
        *offsets,
        *own,
        ctypes.sizeof(scanner._Block),
        ctypes.sizeof(scanner._Scan),
        runs._PADDING,
    ]


def _c_name(field: str) -> str:
    return {"start": "start.byte", "line": "start.line"}.get(field, field)
