# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What works on this kernel with this user space: doctor, a snapshot and its balance, a trace with each loader. Results go to
# $OUT/NAME.log; those of a trace, with the kernel's messages, to $OUT/trace-LOADER.
. "$VM/jobs/trace_helpers.sh"

# result NAME COMMAND…: write the output, and the status on the last line
result() {
    echo "$1: ${*:2}"
    "${@:2}" > "$OUT/$1.log" 2>&1
    echo "status $?" >> "$OUT/$1.log"
}

cp /etc/os-release "$OUT/os-release"
uname -rm > "$OUT/uname"
python - > "$OUT/python.json" <<'PYTHON'
import json, platform
from importlib.metadata import version
print(json.dumps({"python": platform.python_version(), **{name: version(name) for name in ("numpy", "pandas", "pyarrow")}}))
PYTHON
/usr/bin/python3 -c 'import bcc; print(bcc.__version__)' > "$OUT/bcc" 2> /dev/null
readlink -f /usr/lib/*/libbpf.so.1 > "$OUT/libbpf"

zram_on 64M
steady_reclaim
spo-trace doctor --format json > "$OUT/doctor.json" 2> /dev/null
result doctor spo-trace doctor
# More than the pages that come and go, for which `verify` allows 2 %.
mkdir /run/used
mount -t tmpfs tmpfs /run/used
head -c 100M /dev/zero > /run/used/file
result snapshot spo-trace snapshot --jobs 1 -o /run/now.spo
cp -r /run/now.spo "$OUT/"
result verify spo-trace verify --only memory /run/now.spo
rm -r /run/now.spo /run/used/file

# A subshell, because a trace that fails ends it; the traced process ends with it.
attempt() (
    trap 'kill "${workers[@]}" 2> /dev/null' EXIT
    traced ended
)
results=$OUT
for LOADER in libbpf bcc; do
    OUT=$results/trace-$LOADER
    mkdir "$OUT"
    before=$(dmesg | wc -l)
    result traced attempt
    dmesg | tail -n "+$((before + 1))" > "$OUT/dmesg"
done
