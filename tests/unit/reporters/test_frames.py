# SPDX-License-Identifier: LGPL-2.1-or-later
"""Frames of a stack, function and module apart."""

import pandas as pd
import pytest

from spo_trace.reporters.frames import Frame, frames_of, name_of


def test_frames_have_function_module_and_text() -> None:
    assert frames_of("f.isra.0+0x1/0x2;g+0x3/0x4 [ext4]", "f;g") == [
        Frame("f", "vmlinux", "f.isra.0+0x1/0x2"),
        Frame("g", "ext4", "g+0x3/0x4 [ext4]"),
    ]


@pytest.mark.parametrize(
    ("text", "module"),
    [
        ("f+0x1/0x2 [ext4 0123456789abcdef]", "ext4"),
        ("0xffffffffc0000000 [nf]", "nf"),
        ("(no stack)", "vmlinux"),
        ("odd []", "vmlinux"),
        ("odd [", "vmlinux"),
    ],
)
def test_modules(text: str, module: str) -> None:
    assert frames_of(text, text)[0].module == module


def test_a_line_with_a_semicolon_is_no_error() -> None:
    # GIVEN a line that is no frame between frames: cut off at "+0x", its symbol has one part less
    assert [frame.function for frame in frames_of("odd+0x1 a;b;g+0x1/0x2", "odd;g")] == ["odd+0x1 a", "b", "g+0x1/0x2"]


def test_names_that_are_missing() -> None:
    assert [name_of("dd"), name_of(""), name_of(pd.NA), name_of(None)] == ["dd", '""', "(no comm)", "(no comm)"]
