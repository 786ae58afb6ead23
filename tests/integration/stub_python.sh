#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Stands in for python3 and for the python of the environments that it makes: `-m venv`, `-m pip install`, `-c`.
# What pip is asked goes to $STUB_LOG. STUB_FAILS=pip|TERM|INT: pip fails, or who called it gets this signal.
set -eu
case "$1 ${2:-}" in
    "-m venv")
        for directory; do :; done
        mkdir -p "$directory/bin" "$directory/lib"
        cp "$0" "$directory/bin/python"
        ;;
    "-m pip")
        printf '%s\n' "$*" >> "$STUB_LOG"
        case ${STUB_FAILS:-} in
            '') ;;
            pip) exit 1 ;;
            *) kill -s "$STUB_FAILS" "$PPID" ;;
        esac
        printf '#!/bin/sh\necho spo-trace 9.9\n' > "$(dirname "$0")/spo-trace"
        chmod 700 "$(dirname "$0")/spo-trace"
        ;;
esac
