# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The same memory on each kernel release, for `python -m tests.bench.releases`: a small machine that is in use, then in
# addition one process for each kind of memory.
echo never > /sys/kernel/mm/transparent_hugepage/enabled
mkdir -p /run/worker /run/files
mount -t tmpfs -o size=128m none /run/files
python3 "$VM/jobs/worker.py" - anon 64 > /dev/null 2>&1 &
python3 "$VM/jobs/worker.py" - anon 16 > /dev/null 2>&1 &
until [ "$(ls /run/worker | wc -l)" = 2 ]; do sleep 0.2; done
dd if=/dev/zero of=/run/files/large status=none bs=1M count=24
for directory in {1..60}; do
    mkdir "/run/files/$directory"
    for file in {1..50}; do echo "$file" > "/run/files/$directory/$file"; done
done
dd if=/dev/vda of=/dev/null status=none bs=1M count=24
find /usr/share -maxdepth 2 > /dev/null
for _ in {1..30}; do sleep 100000 & done
for _ in {1..10}; do sleep 100000 | sleep 100000 & done
sleep 1
capture 1-in-use

# shellcheck source=/dev/null
. "$VM/jobs/kinds.sh"
