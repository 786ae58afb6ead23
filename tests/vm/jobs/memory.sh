# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# A dump, and what memory tells by each method, between two captures, when memory of all kinds is in memory, in swap, and
# back from swap.
take() {
    [ "$1" = 3-partial ] || return 0
    cat /proc/kallsyms > "$OUT/kallsyms"
    capture before
    dump vmcore
    for method in bpf kcore; do
        [ $method = bpf ] || [ -e /proc/kcore ] || continue
        (cd "$VM/../.." && python -m tests.vm.jobs.memory_capture $method "$OUT/captures/$method")
    done
    capture after
}
. "$VM/jobs/varied.sh"
