# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Helpers of the jobs with traces, which source this file.
T=/sys/kernel/tracing

# $LOADER loads the probes. bcc's directory is empty for libbpf, and there are no headers.
[ "${LOADER:-}" != libbpf ] || mount -t tmpfs none /usr/lib/python3/dist-packages

# The place of a distribution's headers. Without them, bcc unpacks those embedded in the kernel, which takes a guest 6 seconds
# for each trace.
if [ -n "${HEADERS:-}" ]; then
    mkdir -p "/run/lib/modules/$(uname -r)"
    ln -s "$HEADERS" "/run/lib/modules/$(uname -r)/build"
    mount -t overlay -o lowerdir=/run/lib:/usr/lib overlay /usr/lib
fi

# trace_start [ARGUMENT…]: start a trace. trace_on: the same, and return when it is attached
trace_start() {
    spo-trace trace ${LOADER:+--loader "$LOADER"} "$@" > "$OUT/trace.log" 2>&1 &
    trace=$!
}
trace_on() {
    trace_start "$@"
    trace_until grep -q '^Attached' "$OUT/trace.log"
    forget_files
}
# trace_until COMMAND…: wait until it succeeds. Checking five times a second takes a fifth of the emulated processor.
trace_until() {
    until "$@"; do
        [ -d /proc/$trace ] || { cat "$OUT/trace.log"; exit 1; }
        sleep 1
    done
}
# trace_off [SIGNAL]: end it
trace_off() { kill "-${1:-TERM}" $trace; wait $trace; }

# asked STAGE: take a snapshot with the probes' owners, $OUT/STAGE.spo; it is written in memory, because the share is slow
asked() {
    spo-trace snapshot --swap bpf --jobs 1 -o "/run/$1.spo" || exit 1
    cp -r "/run/$1.spo" "$OUT/"
    rm -r "/run/$1.spo"
}

# worker NAME KIND MIB: see trace_worker.py
workers=()
mkdir -p /run/workers
worker() { python "$VM/jobs/trace_worker.py" "$@" > /dev/null & workers+=($!); }
# each SIGNAL NUMBER: signal all workers, and wait until each has handled NUMBER signals
each() {
    local pid
    [ "$1" = 0 ] || kill "-$1" "${workers[@]}"
    for pid in "${workers[@]}"; do
        until [ "$(cat /run/workers/$pid 2> /dev/null)" = "$2" ]; do
            [ -d /proc/$pid ] || { echo "worker $pid ended"; exit 1; }
            sleep 0.2
        done
    done
}

# in_swap WHEN: KiB of the first worker in swap according to the kernel
in_swap() { figure "$1" swap "$(awk '/^VmSwap/ { print $2 }' "/proc/${workers[0]}/status")"; }

# left WHEN: add a line to $OUT/left with the probes' objects and processes; the kernel frees programs with a delay. The loader for
# bcc is a Python of its own, that for libbpf a fork of the trace.
CLEAN='0 hooked, 0 kprobes, 0 programs, 0 maps, 0 links, 0 loaders'
left() {
    local try found
    for try in {1..50}; do
        found="$(wc -l < $T/enabled_functions) hooked, $(wc -l < $D/kprobes/list) kprobes, $(python "$VM/jobs/bpf_objects.py"),"
        found+=" $(grep -laP 'probes[.]loader|spo-trace\0trace\0' /proc/[0-9]*/cmdline 2> /dev/null | wc -l) loaders"
        [ "$found" != "$CLEAN" ] || break
        sleep 0.2
    done
    echo "$1: $found" >> "$OUT/left"
}

# traced WHEN: a traced process is swapped out, and half of it comes back; each time, a snapshot has its owners from the probes.
# Then the trace ends, and `left WHEN` is called.
traced() {
    trace_on 1 --top 0
    worker owner anon 16
    each 0 0
    each USR1 1
    in_swap out
    asked swapped
    each USR2 2
    in_swap in
    asked back
    trace_off || true
    left "$1"
}

# refused NAME COMMAND…: write its output and exit status to $OUT/NAME
refused() {
    "${@:2}" > "$OUT/$1" 2>&1
    echo "status $?" >> "$OUT/$1"
}
