# SPDX-License-Identifier: LGPL-2.1-or-later
import subprocess
from pathlib import Path

import pytest

from tests.vm import userland

BUILD = Path(userland.__file__).with_name("userland") / "build.sh"


def test_a_user_space_is_found_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    tree = tmp_path / "spo-trace" / "userland" / "trixie"
    with pytest.raises(userland.UserlandMissing) as caught:
        userland.find("trixie")
    assert str(caught.value) == f"no {tree}: make vm-userland SUITES=trixie (needs mmdebstrap and a Debian mirror)"
    tree.mkdir(parents=True)
    assert userland.find("trixie") == tree


def test_building_lists_missing_packages(tmp_path: Path) -> None:
    # GIVEN a machine without mmdebstrap
    for tool in ("bash", "dirname", "mkdir"):
        (tmp_path / tool).symlink_to(Path("/usr/bin") / tool)
    # WHEN
    environment = {"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    ran = subprocess.run(["/bin/bash", BUILD, "trixie"], env=environment, capture_output=True, text=True, check=False)
    # THEN
    assert ran.returncode == 1
    assert ran.stderr.startswith("error: missing: mmdebstrap tar unshare: apt-get install mmdebstrap")


def test_an_existing_tree_is_kept(tmp_path: Path) -> None:
    kept = tmp_path / "spo-trace" / "userland" / "trixie"
    kept.mkdir(parents=True)
    for tool in ("mmdebstrap", "python"):
        (tmp_path / tool).write_text("#!/bin/sh\nexit 0\n")
        (tmp_path / tool).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "XDG_CACHE_HOME": str(tmp_path), "PYTHON": "python"}
    ran = subprocess.run(["/bin/bash", BUILD, "trixie"], env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert list(kept.iterdir()) == []
