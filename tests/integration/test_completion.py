# SPDX-License-Identifier: LGPL-2.1-or-later
"""Completions of commands, options and values, in the shells that are installed."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Annotated, get_args, get_origin

import pytest

from spo_trace.analysis.growth import ORDERS
from spo_trace.analysis.keys import is_key
from spo_trace.cli import COMMANDS
from spo_trace.cli import options as described
from spo_trace.cli.completion import SHELLS
from spo_trace.cli.options import Option
from spo_trace.cli.tables import FORMATS
from spo_trace.cli.watch import Method, Sort, WatchFormat
from spo_trace.sampling.method import METHODS
from tests.docs.reference import commands, options_of
from tests.support import EXECUTABLE, in_process
from tests.terminal import in_shell

# What is typed, and what may follow.
LINES = {
    "spo-trace rep": ["report"],
    "spo-trace watch --so": ["--sort"],
    "spo-trace watch --sort in": ["interval"],
    "spo-trace report x.spo --by comm,cate": ["comm,category"],
    "spo-trace completion fi": ["fish"],
}
DIRECTORIES = f"{EXECUTABLE.parent}:{os.environ['PATH']}"


def asked(shell: str, script: str, cwd: Path) -> list[str]:
    """Return the lines that a shell prints for `script`, with spo-trace on its path."""
    flags = {"bash": ["--norc"], "fish": ["--no-config"]}[shell]
    run = subprocess.run(
        [shell, *flags, "-c", script],
        cwd=cwd,
        env={**os.environ, "PATH": DIRECTORIES},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stderr == ""
    return run.stdout.splitlines()


def test_bash(tmp_path: Path) -> None:
    called = "_spo_trace_completion spo-trace; echo ${COMPREPLY[@]};"
    complete = "".join(f"COMP_WORDS=({line}); COMP_CWORD={line.count(' ')}; {called}" for line in LINES)
    found = asked("bash", f'eval "$(spo-trace completion bash)"; complete -p spo-trace; {complete}', tmp_path)
    # Where there is nothing to complete, bash completes names of files.
    assert found[0] == "complete -o default -F _spo_trace_completion spo-trace"
    assert found[1:] == [" ".join(values) for values in LINES.values()]


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish")
def test_fish(tmp_path: Path) -> None:
    complete = "".join(f"complete -C '{line}';" for line in LINES)
    found = asked("fish", f"spo-trace completion fish | source; {complete}", tmp_path)
    assert [line.split("\t")[0] for line in found] == [value for values in LINES.values() for value in values]


# Typed into zsh, which finds the script in its fpath; Ctrl-T completes and writes down the line.
ZSH = """\
path=({path} $path); fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D
show() {{ zle complete-word; print -r -- $BUFFER >> found; BUFFER= }}
zle -N show; bindkey '^T' show; print rea''dy
"""


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh")
def test_zsh(tmp_path: Path) -> None:
    (tmp_path / "_spo-trace").write_bytes(in_process("completion", "zsh", cwd=tmp_path).stdout)
    typed = "".join(f"{line}\x14" for line in LINES)
    script = [(b"$ ", ZSH.format(path=EXECUTABLE.parent).encode()), (b"ready", f"{typed}exit\r".encode())]
    in_shell(tmp_path, script, ["zsh", "--no-rcs"])
    found = (tmp_path / "found").read_text().splitlines()
    # The only value that may follow takes the place of the last word.
    expected = [f"{line.rpartition(' ')[0]} {value}" for line, (value,) in LINES.items()]
    assert [line.rstrip() for line in found] == expected


def completed(line: str) -> list[str]:
    """Return what the command line answers to the scripts of zsh and fish."""
    variables = {"_TYPER_COMPLETE_ARGS": line, "_SPO_TRACE_COMPLETE": "complete_fish"}
    more = {"_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    run = subprocess.run([EXECUTABLE], env={**os.environ, **variables, **more}, capture_output=True, check=True)
    return [item.split("\t")[0] for item in run.stdout.decode().splitlines()]


def test_all_commands_and_options() -> None:
    assert completed("spo-trace ") == list(COMMANDS)
    for name in ("snapshot", "report"):
        options = {word for word in options_of(commands()[name]) if word.startswith("--")}
        assert set(completed(f"spo-trace {name} --")) == options


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_asks_the_command_line(tmp_path: Path, shell: str) -> None:
    run = in_process("completion", shell, cwd=tmp_path)
    assert run.returncode == 0
    assert f"_SPO_TRACE_COMPLETE=complete_{shell}".encode() in run.stdout


def test_zsh_completes_when_it_loads_the_script(tmp_path: Path) -> None:
    text = in_process("completion", "zsh", cwd=tmp_path).stdout.decode()
    # The first line makes compinit find it; the last one completes at once.
    assert text.startswith("#compdef spo-trace\n")
    assert text.splitlines()[-1].endswith('== loadautofunc ]] && _spo_trace_completion "$@"')


def test_another_shell(tmp_path: Path) -> None:
    run = in_process("completion", "csh", cwd=tmp_path)
    assert run.returncode == 2
    assert b"there is no completion for 'csh'" in run.stderr and b"bash, zsh, fish" in run.stderr


def values(annotation: object) -> tuple[str, ...]:
    """Return the values of an option that a shell completes."""
    assert get_origin(annotation) is Annotated
    given = get_args(annotation)[1]
    assert isinstance(given, Option)
    return tuple(given.values)


def test_completed_values_exist() -> None:
    assert values(described.Format) == FORMATS
    assert all(is_key(key) for key in values(described.By))
    assert set(values(Method)) == set(METHODS)
    assert set(values(Sort)) == set(ORDERS.names)
    assert values(WatchFormat) == ("view", "csv", "json")
