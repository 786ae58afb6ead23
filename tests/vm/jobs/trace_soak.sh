# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# A trace is started $TIMES times (100) while pages go out and in, and ended: every fourth one by SIGTERM when it is attached, the
# others killed at a moment of their own, from its first to a second after it would be attached. With $KPROBES=1 there
# is no BTF to see, so that it hooks with kprobes: not on 7.2, which dies of a second kprobe at one place.
. "$VM/jobs/trace_helpers.sh"
swap_on /dev/vda
steady_reclaim
[ -z "${KPROBES:-}" ] || mount -t tmpfs none /sys/kernel/btf
python "$VM/jobs/trace_churn.py" 1 0.3 > /dev/null &
now() { local up; read -r up _ < /proc/uptime; echo "${up/./}"; }
began=$(now)
trace_on
start=$(($(now) - began))
trace_off || true
left first
echo "attached after $start/100 s: $(grep '^Attached' "$OUT/trace.log")"
for ((number = 1; number <= ${TIMES:-100}; number++)); do
    if ((number % 4 == 0)); then
        trace_on
        trace_off || true
        echo "$number: attached, SIGTERM"
    else
        pause=$((RANDOM % (start + 100)))
        trace_start
        sleep "$((pause / 100)).$(printf %02d $((pause % 100)))"
        state=starting
        ! grep -q '^Attached' "$OUT/trace.log" || state=attached
        trace_off KILL
        echo "$number: $state, killed after $pause/100 s"
    fi 2> /dev/null
    left "$number"
done
awk -F ': ' '{ found[$2]++ } END { for (what in found) print found[what], what }' "$OUT/left"
ls -A /run/spo-trace
