# SPDX-License-Identifier: LGPL-2.1-or-later
"""Frames of a stack, split into function and module."""

import pytest

from spo_trace.reporters.frames import Frame, frames_of, text_of


def test_frames_have_function_module_and_text() -> None:
    assert frames_of(("f.isra.0+0x1/0x2", "g+0x3/0x4 [ext4]"), ("f", "g")) == [
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
    assert frames_of((text,), (text,))[0].module == module


def test_a_frame_with_a_semicolon_is_one_frame() -> None:
    found = frames_of(("odd+0x1 a;b", "g+0x1/0x2"), ("odd;b", "g"))
    assert [frame.function for frame in found] == ["odd;b", "g"]
    assert [frame.text for frame in found] == ["odd+0x1 a;b", "g+0x1/0x2"]


def test_text_of_a_stack_and_of_anything_else() -> None:
    assert [text_of(value) for value in (("a;b", "c"), "a;b", 7, None)] == ["a\\073b;c", "a;b", 7, None]
