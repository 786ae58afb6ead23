# SPDX-License-Identifier: LGPL-2.1-or-later
"""The JSON of speedscope: one profile each for memory, swap and total."""

import io
import json

import pandas as pd

from spo_trace.reporters.speedscope import render_speedscope

TABLE = pd.DataFrame(
    {
        "comm": ["dd", None],
        "stack": [("in+0x1/0x2", "out+0x1/0x2 [m]"), ("in+0x1/0x2",)],
        "symbols": [("in", "out"), ("in",)],
        "mem_bytes": [0, 4096],
        "swap_bytes": [8192, 0],
        "total_bytes": [8192, 4096],
    }
)


def test_three_profiles_share_their_frames() -> None:
    # WHEN two stacks are written
    out = io.StringIO()
    render_speedscope(TABLE, out, name="box")
    content = json.loads(out.getvalue())
    # THEN the comm is the outermost frame, the module is the file, and each frame is stored once
    frames = content["shared"]["frames"]
    assert frames == [
        {"name": "dd"},
        {"name": "out", "file": "m"},
        {"name": "in", "file": "vmlinux"},
        {"name": "(unknown comm)"},
    ]
    # AND each profile has the stacks with bytes of its kind, outermost frame first
    profiles = {profile["name"]: (profile["samples"], profile["weights"]) for profile in content["profiles"]}
    assert profiles == {
        "memory": ([[3, 2]], [4096]),
        "swap": ([[0, 1, 2]], [8192]),
        "total": ([[0, 1, 2], [3, 2]], [8192, 4096]),
    }
    assert [profile["endValue"] for profile in content["profiles"]] == [4096, 8192, 12288]
    assert content["name"] == "box" and content["activeProfileIndex"] == 2


def test_unknown_amounts_have_no_profile() -> None:
    out = io.StringIO()
    render_speedscope(TABLE.assign(mem_bytes=pd.array([None] * 2, "Int64")), out, name="box", unknown=("mem",))
    content = json.loads(out.getvalue())
    assert [profile["name"] for profile in content["profiles"]] == ["swap"] and content["activeProfileIndex"] == 0


def test_a_row_with_an_unknown_amount_is_not_in_its_profile() -> None:
    out = io.StringIO()
    render_speedscope(TABLE.assign(swap_bytes=pd.array([8192, None], "Int64")), out, name="box")
    assert [profile["weights"] for profile in json.loads(out.getvalue())["profiles"]][1] == [8192]
