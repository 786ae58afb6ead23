# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# A dump between two captures, when memory of all kinds is in memory, in swap, and back from swap.
take() {
    [ "$1" = 3-partial ] || return 0
    cat /proc/kallsyms > "$OUT/kallsyms"
    capture before
    dump vmcore
    capture after
}
. "$VM/jobs/varied.sh"
