# SPDX-License-Identifier: LGPL-2.1-or-later
"""The pictures of the documents are small, are shown, and are made by the commands beside them."""

import re
from pathlib import Path

import pytest

from tests import browser, pictures

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGE = (ROOT / "docs" / "html-report.md").read_text()
IMAGE = re.compile(r'<img alt="([^"]{20,})" src="(?:docs/)?pictures/([\w-]+\.png)"')


def test_every_picture_is_small_and_shown_with_a_description() -> None:
    made = sorted(pictures.PICTURES.glob("*.png"))
    assert sorted(name for _, name in IMAGE.findall(PAGE)) == [path.name for path in made]
    assert {name for _, name in IMAGE.findall(README)} == {"report.png"}
    for path in made:
        assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size < 200_000


def test_the_commands_that_make_pictures_are_shown() -> None:
    for picture in pictures.SHOWN:
        assert f"\n$ spo-trace {picture.command} --top 1 --html " in PAGE
    assert f"\n$ spo-trace {pictures.SHOWN[0].command} --top 1 --html " in README


@pytest.mark.skipif(browser.WHY_NOT is not None, reason=str(browser.WHY_NOT))
@pytest.mark.xdist_group("browser")
def test_pictures_are_made_by_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("PIL.Image")
    carried = {path.name for path in pictures.PICTURES.glob("*.png")}
    monkeypatch.setattr(pictures, "PICTURES", tmp_path / "pictures")
    pictures.main()
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == carried
