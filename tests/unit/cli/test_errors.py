# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every error becomes one line with a hint."""

import errno

import pytest

from spo_trace.cli.errors import guarded


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "spo-trace: error: not enough memory\n"),
        (MemoryError("more than 2 GiB of names"), "not enough memory: more than 2 GiB of names\n"),
        # socketpair on a kernel without CONFIG_NET
        (OSError(errno.ENOSYS, "Function not implemented"), "hint: this kernel was built without a system call: use"),
        (ZeroDivisionError("x"), "a bug in spo-trace: ZeroDivisionError: x\n"),
    ],
)
def test_an_error_becomes_one_line(error: Exception, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    @guarded
    def command() -> None:
        raise error

    with pytest.raises(SystemExit) as left:
        command()
    assert left.value.code == 1
    assert message in capsys.readouterr().err
