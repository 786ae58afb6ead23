# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# Python and spo-trace on arm64: doctor, a snapshot and its balance, and what it refuses. Files are those of ../jobs/platform.sh.
. /lib.sh

# result NAME ARGUMENT…: run spo-trace; write the output, and the status on the last line
result() {
    local name=$1
    shift
    echo "$name: spo-trace $*"
    python -m spo_trace "$@" > "$OUT/$name.log" 2>&1
    echo "status $?" >> "$OUT/$name.log"
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
: > "$OUT/bcc"
: > "$OUT/libbpf"

python -m spo_trace doctor --format json > "$OUT/doctor.json"
result doctor doctor
result memory snapshot --method memory -o /tmp/memory.spo
result trace trace
mkdir /run/used
mount -t tmpfs tmpfs /run/used
dd if=/dev/zero of=/run/used/file bs=1M count=100 2> /dev/null
capture before
result snapshot snapshot --jobs 1 -o /tmp/now.spo
capture after
result verify verify --only memory /tmp/now.spo
cp -r $TREE/tmp/now.spo "$OUT/"
