# SPDX-License-Identifier: LGPL-2.1-or-later
"""`make pictures`: pictures of HTML reports, made by the commands that README.md and docs/html-report.md show."""

import io
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests import browser
from tests.support import CARRIED, EXECUTABLE

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

__all__ = ["PICTURES", "SHOWN", "main"]

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"


class Picture(NamedTuple):
    """A picture: its name, the command for its page (in fixtures/captures), the width, and the element at its end."""

    name: str
    command: str
    width: int
    dark: bool
    down_to: str


SHOWN = (
    Picture("report", "report 7.2-spo-varied/3-partial", 1200, False, "section:has(#treemap)"),
    Picture("report-phone", "report 7.2-spo-varied/3-partial", 390, True, "#flame-section"),
    Picture("growth", "diff 7.2-spo/1-dd256 7.2-spo/2-swapped", 1200, False, "section:has(#treemap)"),
)


def main() -> None:
    """Create all pictures."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, browser.opened() as driver:
        for picture in SHOWN:
            page = Path(directory) / f"{picture.name}.html"
            command = [str(EXECUTABLE), *picture.command.split(), "--html", str(page)]
            subprocess.run(command, cwd=CARRIED, check=True, stdout=subprocess.DEVNULL)
            (PICTURES / f"{picture.name}.png").write_bytes(_small(_taken(driver, page, picture)))


def _taken(driver: "Chrome", page: Path, picture: Picture) -> bytes:
    browser.look(driver, page, width=picture.width, dark=picture.dark)
    driver.execute_script("document.activeElement.blur()")
    bottom = f"return document.querySelector({picture.down_to!r}).getBoundingClientRect().bottom + scrollY"
    return browser.picture(driver, width=picture.width, height=round(driver.execute_script(bottom)) + 12)


# A page has few colours, so a palette keeps its picture below 200 kB; k-means preserves the legend's small patches.
def _small(png: bytes) -> bytes:
    from PIL import Image

    packed = io.BytesIO()
    palette = Image.open(io.BytesIO(png)).convert("RGB").quantize(256, kmeans=8, dither=Image.Dither.NONE)
    palette.save(packed, "PNG", optimize=True)
    return packed.getvalue()


if __name__ == "__main__":
    main()
