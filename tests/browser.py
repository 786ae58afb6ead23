# SPDX-License-Identifier: LGPL-2.1-or-later
"""A headless Chromium for tests of HTML pages and for the README's pictures."""

import base64
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

__all__ = ["WHY_NOT", "console_errors", "look", "opened", "picture"]

_CHROMIUM, _DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))

# None if a browser is available.
WHY_NOT = None if _CHROMIUM and _DRIVER else "needs chromium and chromedriver (Debian: chromium, chromium-driver)"

_ARGUMENTS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-prefers-reduced-motion")


@contextmanager
def opened() -> Iterator["Chrome"]:
    """Open a browser without animations; close it at the end."""
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    assert _CHROMIUM and _DRIVER
    options = ChromeOptions()
    options.binary_location = _CHROMIUM
    for argument in _ARGUMENTS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # Chromium leaves directories behind when it quits.
    with tempfile.TemporaryDirectory(prefix="spo-trace-chromium-", ignore_cleanup_errors=True) as directory:
        driver = Chrome(options=options, service=Service(_DRIVER, env=os.environ | {"TMPDIR": directory}))
        try:
            yield driver
        finally:
            driver.quit()


def look(
    driver: "Chrome", page: Path, *, link: str = "", width: int = 1280, height: int = 900, dark: bool = False
) -> None:
    """Open `page` at a size, in light or dark mode; narrow sizes emulate a phone. `link`: the fragment."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    # A browser does not load a page again for another fragment of its address.
    driver.get("about:blank")
    driver.get(page.as_uri() + (f"#{link}" if link else ""))


def console_errors(driver: "Chrome") -> list[str]:
    """Return new warnings and errors in the browser's console."""
    entries: list[dict[str, Any]] = driver.get_log("browser")  # type: ignore[no-untyped-call]
    return [entry["message"] for entry in entries if entry["level"] in ("WARNING", "SEVERE")]


def picture(driver: "Chrome", *, width: int, height: int) -> bytes:
    """Return the upper left part of the page as PNG, also beyond the window's height."""
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    return base64.b64decode(shot["data"])
