# SPDX-License-Identifier: LGPL-2.1-or-later
"""The man pages: every command and option, without warnings of groff or mandoc."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from spo_trace.cli.help_texts import commands_of, group, paragraphs, parameters
from spo_trace.cli.man_pages import man_pages

PAGES = man_pages()
COMMANDS = {name.replace(" ", "-"): command for name, command in commands_of(group()).items()}


def rendered(name: str, directory: Path) -> str:
    """Return a page as groff shows it, without styles; assert that there are no warnings."""
    path = directory / name
    path.write_text(PAGES[name])
    command = ["groff", "-man", "-ww", "-Tutf8", "-P-cbou", "-rLL=1000n", "-rHY=0", str(path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stderr == ""
    return run.stdout


def plain(text: str) -> str:
    """Return text with single blanks and ASCII hyphens."""
    return " ".join(text.replace("\u2010", "-").replace("\u2212", "-").split())


def test_there_is_a_page_for_each_command() -> None:
    assert set(PAGES) == {"spo-trace.1", *(f"spo-trace-{name}.1" for name in COMMANDS)}
    # Bytes beyond ASCII need preconv, which not every man runs.
    assert all(page.isascii() for page in PAGES.values())


@pytest.mark.skipif(shutil.which("groff") is None, reason="there is no groff")
def test_a_page_has_the_whole_help_text(tmp_path: Path) -> None:
    for name, command in COMMANDS.items():
        text = plain(rendered(f"spo-trace-{name}.1", tmp_path))
        for one in parameters(command):
            assert plain(one.help) in text, (name, one.names)
            assert f"{', '.join(one.names)} {one.value}".strip() in text
        # The lines of an example stay lines; here, only the words are compared.
        assert all(plain(paragraph) in text for paragraph, _ in paragraphs(command))


@pytest.mark.skipif(shutil.which("groff") is None, reason="there is no groff")
def test_examples_keep_their_lines(tmp_path: Path) -> None:
    lines = rendered("spo-trace-watch.1", tmp_path).splitlines()
    assert any(re.fullmatch(r" +sudo spo-trace watch", line) for line in lines)


@pytest.mark.skipif(shutil.which("groff") is None, reason="there is no groff")
def test_the_overview_names_all_commands(tmp_path: Path) -> None:
    text = rendered("spo-trace.1", tmp_path)
    assert all(f"spo-trace-{name}(1)" in text for name in COMMANDS)
    assert "--version" in text


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="there is no mandoc")
def test_mandoc_has_no_warnings(tmp_path: Path) -> None:
    for name, page in PAGES.items():
        (tmp_path / name).write_text(page)
        run = subprocess.run(
            ["mandoc", "-Tlint", "-Wwarning", str(tmp_path / name)], capture_output=True, text=True, check=False
        )
        # A page of any day has no date.
        assert [line for line in run.stdout.splitlines() if "missing date" not in line] == []
