# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Helpers of the jobs that trace; they source it.
[ -e "$OUT/figures.tsv" ] || : > "$OUT/figures.tsv"

# trace_on [ARGUMENT…]: start a trace, return when it is attached
trace_on() {
    spo-trace trace "$@" > "$OUT/trace.log" 2>&1 &
    trace=$!
    until grep -q '^Attached' "$OUT/trace.log"; do
        [ -d /proc/$trace ] || { cat "$OUT/trace.log"; exit 1; }
        sleep 0.5
    done
}
# trace_off [SIGNAL]: end it
trace_off() { kill "-${1:-TERM}" $trace; wait $trace; }

# asked STAGE MODE…: a snapshot for each of the modes bpf and debugfs, $OUT/STAGE-NUMBER-MODE.spo
asked() {
    local stage=$1 number=0 mode
    shift
    for mode in "$@"; do
        number=$((number + 1))
        # Made in memory, as the share is slow.
        spo-trace snapshot --swap "$mode" --jobs 1 -o "/run/$stage.spo" || exit 1
        cp -r "/run/$stage.spo" "$OUT/$stage-$number-$mode.spo"
        rm -r "/run/$stage.spo"
    done
}

# left: what of the probes is in the kernel (functions that are hooked, programs) and in /run
left() {
    echo "$(wc -l < /sys/kernel/tracing/enabled_functions) hooked, $(grep -c '\[bpf\]' /proc/kallsyms) programs," \
        "$(ls -A /run/spo-trace | tr '\n' ' ')"
}
