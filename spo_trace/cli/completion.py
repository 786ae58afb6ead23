# SPDX-License-Identifier: LGPL-2.1-or-later
"""spo-trace completion."""

from typing import Annotated

from spo_trace.cli.commands import COMPLETION
from spo_trace.cli.errors import guarded
from spo_trace.cli.options import Positional
from spo_trace.cli.output import check_stdout
from spo_trace.errors import UsageError

__all__ = ["SHELLS", "command"]

SHELLS = ("bash", "zsh", "fish")

# zsh runs a script from its fpath at the first completion, which has to complete, too.
_ZSH_AUTOLOAD = '\n[[ ${zsh_eval_context[-1]} == loadautofunc ]] && _spo_trace_completion "$@"'

Shell = Annotated[str, Positional("SHELL", f"{', '.join(SHELLS[:-1])} or {SHELLS[-1]}.", values=SHELLS)]


@guarded
def command(shell: Shell) -> None:
    """Print a script that lets a shell complete commands, options and their values.

    `make install` installs it for all users.

    \b
        spo-trace completion bash > ~/.local/share/bash-completion/completions/spo-trace
        spo-trace completion zsh > ~/.zfunc/_spo-trace     # a directory in fpath
        spo-trace completion fish > ~/.config/fish/completions/spo-trace.fish
    """
    if shell not in SHELLS:
        raise UsageError(f"there is no completion for {shell!r}", hint=f"choose one of {', '.join(SHELLS)}")
    check_stdout()
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # typer has no public name for it

    script = get_completion_script(prog_name="spo-trace", complete_var=COMPLETION, shell=shell)
    print(script + (_ZSH_AUTOLOAD if shell == "zsh" else ""))
