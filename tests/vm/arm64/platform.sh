# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# Python and spo-trace on arm64: doctor, a snapshot and its balance, a trace with each loader. Files are those of
# ../jobs/platform.sh.
. /lib.sh

# result NAME COMMAND…: write the output, and the status on the last line
result() {
    local name=$1
    shift
    echo "$name: $*"
    "$@" > "$OUT/$name.log" 2>&1
    echo "status $?" >> "$OUT/$name.log"
}
spo_trace() { python -m spo_trace "$@"; }

# attempt LOADER: as `traced` of ../jobs/trace_helpers.sh. So far, no kernel of these guests has BPF, and all are refused.
attempt() (
    out=$OUT/trace-$1 worker=
    trap '[ -z "$worker" ] || kill $worker' EXIT
    python_here -m spo_trace trace --loader "$1" 1 --top 0 > "$out/trace.log" 2>&1 &
    trace=$!
    until grep -q '^Attached' "$out/trace.log"; do
        [ -d /proc/$trace ] || { cat "$out/trace.log"; exit 1; }
        sleep 1
    done
    python_here /usr/src/spo-trace/trace_worker.py owner anon 16 &
    worker=$!
    handled 0
    kill -USR1 $worker
    handled 1
    asked out swapped
    kill -USR2 $worker
    handled 2
    asked in back
    kill $trace
    wait $trace || true
)
# handled NUMBER: wait until the worker has handled this many signals
handled() {
    until [ "$(cat $TREE/run/workers/$worker 2> /dev/null)" = "$1" ]; do
        [ -d /proc/$worker ] || exit 1
        sleep 1
    done
}
# asked WHEN STAGE: what the worker has in swap according to the kernel, and a snapshot
asked() {
    awk -v when="$1" '/^VmSwap/ { print when "\tswap\t" $2 }' /proc/$worker/status >> "$out/figures.tsv"
    spo_trace snapshot --swap bpf --jobs 1 -o "/tmp/$2.spo" || exit 1
    cp -r "$TREE/tmp/$2.spo" "$out/"
}

with_python
cp $TREE/usr/lib/os-release "$OUT/os-release"
uname -rm > "$OUT/uname"
cat > $TREE/tmp/versions.py <<'PYTHON'
import json, platform
from importlib.metadata import version
print(json.dumps({"python": platform.python_version(), **{name: version(name) for name in ("numpy", "pandas", "pyarrow")}}))
PYTHON
python /tmp/versions.py > "$OUT/python.json"
readlink -f $TREE/usr/lib/*/libbpf.so.1 > "$OUT/libbpf"

sysctl -q vm.min_free_kbytes=8192 vm.watermark_boost_factor=0 vm.percpu_pagelist_high_fraction=64
mkswap /dev/vda > /dev/null && swapon /dev/vda || exit
spo_trace doctor --format json > "$OUT/doctor.json"
result doctor spo_trace doctor
result memory spo_trace snapshot --method memory -o /tmp/memory.spo
mkdir /run/used $TREE/run/workers
mount -t tmpfs tmpfs /run/used
dd if=/dev/zero of=/run/used/file bs=1M count=100 2> /dev/null
capture before
result snapshot spo_trace snapshot --jobs 1 -o /tmp/now.spo
capture after
cp -r $TREE/tmp/now.spo "$OUT/"
result verify spo_trace verify --only memory /tmp/now.spo
rm /run/used/file

for loader in libbpf bcc; do
    mkdir "$OUT/trace-$loader"
    before=$(dmesg | wc -l)
    result trace-$loader/traced attempt $loader
    dmesg | tail -n "+$((before + 1))" > "$OUT/trace-$loader/dmesg"
done
