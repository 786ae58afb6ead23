# SPDX-License-Identifier: LGPL-2.1-or-later
"""The work of the C scanner is proportional to the length of any text: steps are counted, not timed."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest

from spo_trace.formats.fast import scanner
from spo_trace.formats.fast.text_runs import stream_runs
from spo_trace.native import library
from tests.counting import python_calls
from tests.unit.formats.fast.test_batches import many
from tests.unit.formats.fast.test_handles import in_mode
from tests.unit.formats.reading import HEADER
from tests.unit.native.test_scan import compile_scanner

HERE = Path(__file__).parent
SIZE = 1 << 17

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")

DAMAGED = {
    "mask cut off": b"Page allocated via order 0, mask 0x0(\n",
    "no stack": HEADER,
    "second line cut off": HEADER[:-3] + b"\n",
    "no empty line": HEADER + b" a+0x1/0x2\n",
    "one line": b"Page allocated via ",
    "frames without an end": b" a+0x1/0x2\n",
    "names without an end": b"Page allocated via order 0, mask 0x0(" + b"GFP|" * 50,
}


@pytest.fixture(scope="session", params=[(), ("-U__SSE2__",)], ids=["SSE2", "plain"])
def counting(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> library.Library:
    """Return a scanner that counts its steps."""
    made = tmp_path_factory.mktemp("counting")
    subprocess.run(["cc", "-c", "-fPIC", "-o", made / "counter.o", HERE / "counter.c"], check=True)
    counted = ("-fsanitize-coverage=trace-pc", "-include", HERE / "counted.h", made / "counter.o")
    return ctypes.CDLL(str(compile_scanner(made / "libspo.so", "-shared", "-fPIC", *counted, *request.param)))


def work(counting: library.Library, text: bytes) -> tuple[int, int]:
    """Return the steps of C code and the calls of Python functions for scanning `text` as one run."""
    (run,) = stream_runs([text])
    steps = ctypes.c_uint64.in_dll(counting, "steps")
    before = steps.value
    calls = python_calls(lambda: scanner.Scanner(counting, scanner.PAGE_ROW).scan(run))
    return steps.value - before, calls


@pytest.mark.parametrize("start", DAMAGED.values(), ids=DAMAGED)
def test_damaged_text_of_twice_the_length_is_twice_the_work(counting: library.Library, start: bytes) -> None:
    # GIVEN a text of records without an end, and one of twice the length
    text = start * (SIZE // len(start))
    # WHEN they are scanned
    (steps, calls), (more_steps, more_calls) = work(counting, text), work(counting, text * 2)
    # THEN the second text takes about twice the steps; quadratic work would be four times
    assert len(text) / 100 < steps < 20 * len(text)
    assert more_steps < 2.2 * steps
    assert more_calls < 2.2 * calls


def test_a_handle_is_less_work_than_its_stack(counting: library.Library) -> None:
    # GIVEN the same records with stacks and with handles in their place
    stacks, handles = in_mode("stack", 1000), in_mode("handle", 1000)
    # WHEN both are scanned
    (steps, calls), (fewer_steps, fewer_calls) = work(counting, stacks), work(counting, handles)
    # THEN a record with a handle takes no more steps
    assert fewer_steps < steps
    assert fewer_calls <= calls


def test_whole_records_take_proportional_work(counting: library.Library) -> None:
    text = many(1000)
    (steps, calls), (more_steps, more_calls) = work(counting, text), work(counting, text * 2)
    assert steps < more_steps < 2.2 * steps
    assert more_calls < 2.2 * calls
