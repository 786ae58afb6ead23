# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The cost of the probes: pages are swapped out to zram and in again, without and with a trace in turn.
. "$VM/jobs/trace_helpers.sh"
zram_on 200M
for round in without with without with without; do
    [ $round = without ] || trace_on
    for _ in 1 2 3; do
        echo "$round: $(python "$VM/jobs/swapper.py" 32 9 | tr '\n' ' ')"
    done
    [ $round = without ] || { trace_off || true; }
done
left 'twice'
cat "$OUT/left"
