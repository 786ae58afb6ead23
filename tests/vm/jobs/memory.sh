# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What memory tells by each method, and a dump, between two captures, when memory of all kinds is in memory, in swap, and
# back from swap.
take() {
    [ "$1" = 3-partial ] || return 0
    cat /proc/kallsyms > "$OUT/kallsyms"
    capture before
    rows kcore
    # Without it, BPF is used.
    [ ! -e /proc/kcore ] || mount --bind /dev/null /proc/kcore
    rows bpf
    dump vmcore
    capture after
}
# rows METHOD: have the collector read memory; the host makes text of it with the dump
rows() {
    python -I -S -c "$start" "$VM/../.." 3 "$D/page_owner" 3> /run/plan > "/run/$1.answer" || exit 1
    grep -x "memory $1" /run/plan || return 0
    "$VM/../../spo_trace/native/spo-collect" -m /run/plan "/run/$1" || exit 1
    cp -r "/run/$1" "$OUT/captures/$1"
    cp "/run/$1.answer" "$OUT/captures/$1/answer"
}
# Pages that a module allocated, where make vm-kernel built it.
if [ -n "$MODULE" ]; then insmod "$MODULE" || exit 1; fi
start='import sys; sys.path.append(sys.argv[1]); from spo_trace.memory.planner import main; main(sys.argv[2:])'
. "$VM/jobs/varied.sh"
