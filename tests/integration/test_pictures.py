# SPDX-License-Identifier: LGPL-2.1-or-later
"""The pictures of the README exist, are small, are shown, and can be generated again."""

import re
from pathlib import Path

import pytest

from tests import browser, pictures

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_every_picture_of_the_readme_has_a_description() -> None:
    shown = re.findall(r'<img alt="([^"]{20,})" src="docs/pictures/([\w-]+\.png)"', README)
    made = sorted(pictures.PICTURES.glob("*.png"))
    assert sorted(name for _, name in shown) == [path.name for path in made]
    for path in made:
        assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size < 200_000


@pytest.mark.skipif(browser.WHY_NOT is not None, reason=str(browser.WHY_NOT))
@pytest.mark.xdist_group("browser")
def test_pictures_are_made_by_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("PIL.Image")
    carried = {path.name for path in pictures.PICTURES.glob("*.png")}
    monkeypatch.setattr(pictures, "PICTURES", tmp_path / "pictures")
    pictures.main()
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == carried
