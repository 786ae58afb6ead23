#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# unit_tests.sh SUITE [TEST…]: run tests of the checkout in a fresh machine (fresh.sh) with its Python and packages, as alice, on
# the kernel of this machine. Default: tests/unit. The last line is that of pytest.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/vm/userland/common.sh
. "$here/common.sh"
tree=$trees/fresh-${1:?SUITE}
shift
(($#)) || set -- tests/unit
[ -d "$tree" ] || fail "no $tree: sudo make vm-fresh SUITES=${tree##*/fresh-}"

copy_checkout "$tree"
# A second environment, because the installation has none of the test tools; it sees the installed packages.
# shellcheck disable=SC2016
within "$tree" runuser -u alice -- bash -c '
    set -eo pipefail
    # The usual limit for a user; tests of fleets leave many directories open.
    ulimit -n 8192
    cd ~/spo-trace
    [ -d ~/tests ] || python3 -m venv ~/tests
    ls -d /opt/spo-trace/lib/python3*/site-packages > "$(echo ~/tests/lib/python3*/site-packages)/installed.pth"
    ~/tests/bin/pip install --quiet --disable-pip-version-check --requirement /var/cache/wheels.txt
    for file in libspo.so spo-collect swap_owner.bpf.o; do
        cp -n /opt/spo-trace/lib/python3*/site-packages/spo_trace/native/$file spo_trace/native/
    done
    ~/tests/bin/pytest -q -p no:cacheprovider -rfE "$@" 2>&1 | tee ~/unit_tests.log | tail -n 60' unit_tests "$@"
