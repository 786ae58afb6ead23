# SPDX-License-Identifier: LGPL-2.1-or-later
"""Conversion of frames to one text and back, in one module only."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import spo_trace
from spo_trace.formats.escape import escape
from spo_trace.stacks import text as stack_text
from spo_trace.stacks.text import join_frames, split_frames

# A frame as in a snapshot: any line of the kernel's text, escaped.
FRAME = st.one_of(st.binary(max_size=12), st.sampled_from([b";", b"\\", b"\\073", b"\\\\073", b"a;b\\"])).map(escape)


@given(frames=st.lists(FRAME, min_size=1, max_size=6).map(tuple))
def test_splitting_reverses_joining(frames: tuple[str, ...]) -> None:
    text = join_frames(frames)
    assert split_frames(text) == frames
    assert text.count(";") == len(frames) - 1


def test_a_semicolon_inside_a_frame_is_escaped() -> None:
    assert join_frames(["a+0x1/0x2", "b;c"]) == "a+0x1/0x2;b\\073c"
    assert split_frames("a\\\\073;b\\073c") == ("a\\\\073", "b;c")


def joins_or_splits(source: str) -> Iterator[int]:
    """Yield the lines at which a program joins or splits text by semicolons."""
    methods = {"join", "split", "rsplit", "partition", "rpartition"}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in methods:
            for operand in (node.func.value, *node.args):
                if isinstance(operand, ast.Constant) and operand.value == ";":
                    yield node.lineno


@pytest.mark.parametrize("source", ['x.split(";")', '";".join(x)', 'x.rpartition(";")', 'x["s"].str.split(";", 1)'])
def test_the_search_below_finds_each_form(source: str) -> None:
    assert list(joins_or_splits(source)) == [1]


def test_no_other_module_joins_or_splits_by_semicolons() -> None:
    modules = [path for path in Path(spo_trace.__file__).parent.rglob("*.py") if path != Path(stack_text.__file__)]
    assert len(modules) > 100
    assert [f"{path}:{line}" for path in modules for line in joins_or_splits(path.read_text())] == []
