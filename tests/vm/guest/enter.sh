# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Run the job inside.sh with the user space $TREE as its root file system, and the host's $CHECKOUT in /usr/src/spo-trace.
# Both are writable (in memory) as on a real machine, so that Python can store compiled files.
# With FIRST_PROCESS, this is the guest's first process, and becomes the user space's systemd, which starts the job.
set -e
memory=/run/userland
# switch_root moves /run into the new root. So the new root must not be in /run.
if [ -n "${FIRST_PROCESS:-}" ]; then memory=/mnt; fi
root=$memory/root

# writable FROM TO
writable() {
    local layer
    layer=$(mktemp -d "$memory/layer-XXXXXX")
    mkdir -p "$layer/upper" "$layer/work" "$2"
    mount -t overlay -o "lowerdir=$1,upperdir=$layer/upper,workdir=$layer/work" overlay "$2"
}

become_systemd() {
    cat > "$root/etc/systemd/system/job.service" << 'END'
[Unit]
Description=The job, and the end of the guest after it

[Service]
Type=oneshot
StandardOutput=append:/run/out/job.log
StandardError=inherit
ExecStart=/bin/bash /run/out/inside.sh
ExecStopPost=/bin/bash -c 'dmesg > /run/out/dmesg; echo $EXIT_STATUS > /run/out/status; echo o > /proc/sysrq-trigger'
END
    mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
    ln -s ../job.service "$root/etc/systemd/system/multi-user.target.wants/"
    exec switch_root "$root" /lib/systemd/systemd --unit=multi-user.target
}

[ -d "$memory" ] || mkdir "$memory"
mount -t tmpfs -o size=128m tmpfs "$memory"
writable "$TREE" "$root"
writable "$CHECKOUT" "$root/usr/src/spo-trace"
[ -z "${FIRST_PROCESS:-}" ] || become_systemd
for shared in /proc /sys /dev /run; do mount --rbind $shared "$root$shared"; done
if [ -n "${HEADERS:-}" ]; then
    mkdir -p "$root$HEADERS"
    mount --bind "$HEADERS" "$root$HEADERS"
fi
exec chroot "$root" /bin/bash /run/out/inside.sh
