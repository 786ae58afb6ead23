# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Run the job inside.sh with the user space $TREE as its root file system, and the host's $CHECKOUT in /usr/src/spo-trace.
# Both are writable (in memory) as on a real machine, so that Python can store compiled files.
set -e
memory=/run/userland root=/run/userland/root

# writable FROM TO
writable() {
    local layer
    layer=$(mktemp -d "$memory/layer-XXXXXX")
    mkdir -p "$layer/upper" "$layer/work" "$2"
    mount -t overlay -o "lowerdir=$1,upperdir=$layer/upper,workdir=$layer/work" overlay "$2"
}

mkdir $memory
mount -t tmpfs -o size=128m tmpfs $memory
writable "$TREE" $root
writable "$CHECKOUT" $root/usr/src/spo-trace
for shared in /proc /sys /dev /run; do mount --rbind $shared $root$shared; done
if [ -n "${HEADERS:-}" ]; then
    mkdir -p "$root$HEADERS"
    mount --bind "$HEADERS" "$root$HEADERS"
fi
exec chroot $root /bin/bash /run/out/inside.sh
