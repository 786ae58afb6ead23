# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# After trace.sh: the trace ends; the map of another one is too small for the pages that are swapped out.
trace_off || true
left SIGTERM
kill "${workers[@]}"
workers=()
trace_on --max-entries 500
worker full anon 8
each 0 0
each USR1 1
asked full
trace_off || true
left 'full, SIGTERM'
