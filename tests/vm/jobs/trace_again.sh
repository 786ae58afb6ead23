# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The trace is killed; its programs are attached and detached 100 times without it, while pages are swapped out and in.
python "$VM/jobs/trace_churn.py" 1 0.3 > /dev/null &
churn=$!
python "$VM/jobs/trace_attach.py" $trace 100 || exit 1
kill $churn
left 'killed, 100 times'
