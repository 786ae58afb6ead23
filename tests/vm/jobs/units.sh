# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The units of contrib/systemd in a machine that systemd has booted, started as contrib/README.md says.
set -e
units=/usr/src/spo-trace/contrib/systemd
state=/var/lib/spo-trace
textfiles=/var/lib/prometheus/node-exporter

# started UNIT: start it, and report its result and exit status; a service of the type oneshot has ended then
started() {
    systemctl start "$1" || { journal "$1"; false; }
    systemctl show "$1" -p Result,ExecMainStatus --value | paste -sd ' ' | sed "s/^/$1: /"
}
journal() { systemctl status --no-pager --full --lines=50 "$1" || true; }
# until_it COMMAND…: wait until it succeeds
until_it() {
    local try
    for try in {1..120}; do
        if "$@" > /dev/null 2>&1; then return; fi
        sleep 1
    done
    echo "not after 120 s: $*"
    false
}

steady_reclaim
zram_on 64M
systemd-detect-virt --container && exit 1

cp "$units"/* /etc/systemd/system/
systemctl daemon-reload
python -m pip install -q --disable-pip-version-check prometheus-client

# The probes first: what was swapped out before has no owner.
systemctl enable --now spo-trace-trace.service
until_it test -S /run/spo-trace/trace.sock || { journal spo-trace-trace.service; exit 1; }
mkdir -p /run/workers
python3 "$VM/jobs/trace_worker.py" owner anon 16 > /dev/null &
until_it grep -qx 0 "/run/workers/$!"
kill -USR1 $!
until_it grep -qx 1 "/run/workers/$!"
figure out swap "$(awk '/^VmSwap/ { print $2 }' "/proc/$!/status")"

mkdir -p "$state/old.spo"
touch -d '20 days ago' "$state/old.spo"
started spo-trace-snapshot.service
systemctl enable --now spo-trace-snapshot.timer
systemctl list-timers --no-pager spo-trace-snapshot.timer | sed -n 2p | grep -c spo-trace-snapshot.service

mkdir -p $textfiles
started spo-trace-textfile.service

mkdir -m 700 /etc/spo-trace /srv/fleet
echo 'ROOT=/srv/fleet' > /etc/spo-trace/fleet.env
started spo-trace-fleet.service

systemctl enable --now spo-trace-metrics.service
fetch() { python3 -c 'import sys, urllib.request as u; u.urlretrieve(*sys.argv[1:])' http://127.0.0.1:9757/metrics "$OUT/metrics"; }
until_it fetch || { journal spo-trace-metrics.service; exit 1; }
systemctl stop spo-trace-metrics.service spo-trace-trace.service
systemctl show spo-trace-metrics.service spo-trace-trace.service -p Result --value | grep . | paste -sd ' '

stat -c '%U %a %n' "$state" "$state"/*.spo "$state"/*.spo/pages.parquet $textfiles/*
cp -r "$state"/*.spo $textfiles/* /srv/fleet "$OUT/"
