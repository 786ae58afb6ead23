# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# A second trace in the same boot, while pages are swapped out and in. Its kprobes are not on ftrace sites, where a second one
# causes an oops on 7.2.
. "$VM/jobs/trace_helpers.sh"
zram_on 200M
python "$VM/jobs/trace_churn.py" 1 0.3 > /dev/null &
churn=$!
for turn in first second; do
    trace_on
    if grep FTRACE $D/kprobes/list; then echo 'kprobes on ftrace sites'; exit 1; fi
    before=$(awk '$1 == "pswpout" { print $2 }' /proc/vmstat)
    trace_until eval "[ \$(awk '\$1 == \"pswpout\" { print \$2 }' /proc/vmstat) -gt $((before + 5000)) ]"
    trace_off || true
    left $turn
done
kill $churn
