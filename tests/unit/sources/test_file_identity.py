# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which kernel file a file is, by its name and by its content."""

from pathlib import Path

import pytest

from spo_trace.sources.file_identity import name_by_content, name_by_path
from tests.support import entry, page

FRAMES = b" post_alloc_hook+0x1/0x2\n new_slab+0xd0/0x5ac\n"


def test_owners() -> None:
    assert name_by_content(page()) == "page_owner"
    assert name_by_content(entry(1)) == "swap_page_owner"
    assert name_by_content(b"> " + entry(1).replace(b"\n", b"\n> ")) == "swap_page_owner"
    assert name_by_content(page().decode().encode("utf-16-le")) == "page_owner"
    assert name_by_content(b"hello\n") is None


def test_the_kinds_of_stack_counts() -> None:
    assert name_by_content(FRAMES + b"nr_base_pages: 7\n\n") == "show_stacks"
    assert name_by_content(FRAMES + b"handle: 7\n\n") == "show_stacks_handles"
    assert name_by_content(b"handle: 7\nnr_base_pages: 7\n\n") == "show_handles"


@pytest.mark.parametrize(
    ("path", "name"),
    [("page_owner", "page_owner"), ("/a/meminfo.gz", "meminfo"), ("page_owner.txt", None), ("page_owner.gz.gz", None)],
)
def test_names(path: str, name: str | None) -> None:
    assert name_by_path(Path(path)) == name
