# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Events without page_owner. zram writes synchronously, so no page is swapped in from the swap cache.
. "$VM/jobs/trace_helpers.sh"
zram_on 64M
steady_reclaim
trace_on 1 --by stack --top 0
worker $'the\nowner' anon 16
each 0 0
each USR1 1
in_swap out
each USR2 2
in_swap in
refused owners spo-trace snapshot --swap bpf -o /run/none.spo
trace_off || true
left SIGTERM
