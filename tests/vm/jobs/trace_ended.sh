# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# After trace.sh: the trace ends.
trace_off || true
left SIGTERM
