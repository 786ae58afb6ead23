#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# page_owner_leak.sh COMMAND [ARGUMENT…]: a test for kselftest that runs a command and fails if the kernel's memory grew.
#
# The command runs twice: the first run fills caches, and snapshots are taken before and after the second. The output is
# TAP; the exit codes are those of kselftest: 0 passed, 1 failed, 4 skipped, because this machine cannot take snapshots or
# the command itself exits with 4.
#
# LIMIT    the growth of one owner that is a failure (default: 1MiB)
# BY       the keys that name owners (default: caller, the function that allocated)
# WHERE    a condition for the memory that counts, as for --where (default: all but the page cache, which grows with each
#          program that is read; empty: all)
# KEEP     an existing directory that gets before.spo and after.spo
set -u

ksft_fail=1
ksft_skip=4
limit=${LIMIT:-1MiB}
where=${WHERE-category != \"page cache\"}
crossed=3

# Nothing of the command may look like a result.
comment() {
    sed 's/^/# /'
}

skip() {
    echo "1..0 # SKIP $1"
    exit $ksft_skip
}

bail() {
    echo "Bail out! $1"
    exit $ksft_fail
}

run() {
    "$@" > "$scratch/output" 2>&1
    status=$?
    comment < "$scratch/output"
    [ $status != $ksft_skip ] || skip "$1 was skipped"
}

snapshot() {
    spo-trace snapshot --force -o "$directory/$1.spo" > "$scratch/output" 2>&1
    status=$?
    comment < "$scratch/output"
    [ $status = 0 ] || bail "no snapshot $1 the test"
}

[ $# -gt 0 ] || bail "usage: $0 COMMAND [ARGUMENT…]"
scratch=$(mktemp -d) || bail "no temporary directory"
trap 'rm -rf "$scratch"' EXIT
directory=${KEEP:-$scratch}

echo "TAP version 13"
command -v spo-trace > /dev/null || skip "spo-trace is not installed"
spo-trace doctor > "$scratch/output" 2>&1 || {
    comment < "$scratch/output"
    skip "snapshots are impossible on this machine"
}

run "$@"
if [ $status = 0 ]; then
    snapshot before
    run "$@"
    snapshot after
fi
echo "1..2"
if [ $status != 0 ]; then
    echo "not ok 1 $1 # exit=$status"
    echo "ok 2 # SKIP no growth is measured of a test that fails"
    exit $ksft_fail
fi
echo "ok 1 $1"

set -- --by "${BY:-caller}" --fail-above "$limit" --top 10
[ -z "$where" ] || set -- "$@" --where "$where"
spo-trace diff "$directory/before.spo" "$directory/after.spo" "$@" > "$scratch/output" 2>&1
status=$?
comment < "$scratch/output"
case $status in
    0) echo "ok 2 no owner grew by more than $limit" ;;
    "$crossed") echo "not ok 2 an owner grew by more than $limit" ;;
    *) echo "not ok 2 the snapshots could not be compared # exit=$status" ;;
esac
[ $status = 0 ] || exit $ksft_fail
