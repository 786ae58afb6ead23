# SPDX-License-Identifier: LGPL-2.1-or-later
"""A second user for tests that run as root, and a directory that this user can access."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

__all__ = ["OTHER", "SUDO", "USER", "as_root", "ids", "mode", "reads", "shared"]

# Both exist on every distribution, and nobody can log in as either.
USER = pwd.getpwnam("nobody")
OTHER = pwd.getpwnam("daemon")
# The variables that sudo sets for a command of USER.
SUDO = {"SUDO_UID": str(USER.pw_uid), "SUDO_GID": str(USER.pw_gid), "SUDO_USER": USER.pw_name}

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the owner of a file")


@pytest.fixture
def shared() -> Iterator[Path]:
    """Return a directory of USER that all users can enter; those of pytest are private."""
    directory = Path(tempfile.mkdtemp(prefix="spo-trace-shared-"))
    directory.chmod(0o755)
    os.chown(directory, USER.pw_uid, USER.pw_gid)
    yield directory
    shutil.rmtree(directory)


def ids(path: Path) -> tuple[int, int]:
    """Return the owner and the group of a file."""
    status = path.lstat()
    return status.st_uid, status.st_gid


def mode(path: Path) -> str:
    """Return the permission bits of a file in octal."""
    return f"{path.lstat().st_mode & 0o7777:04o}"


def reads(user: pwd.struct_passwd, path: Path) -> bool:
    """Return whether a user can read a file, by trying it."""
    command = ["cat", str(path)]
    done = subprocess.run(
        command, user=user.pw_uid, group=user.pw_gid, extra_groups=[], cwd="/", capture_output=True, check=False
    )
    return done.returncode == 0
