# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# README's commands ($COMMANDS, one a line) in a fresh machine, as alice in her home directory.
steady_reclaim
hostname guest
echo '127.0.0.1 localhost guest' > /etc/hosts
# The tree is an overlay here, in which a directory cannot be renamed.
mount -t tmpfs tmpfs /home/alice
chown alice: /home/alice
as_alice() {
    setpriv --reuid alice --regid alice --init-groups env -i HOME=/home/alice USER=alice LANG=C.UTF-8 \
        PATH=/usr/local/bin:/usr/bin:/bin bash -c "cd && $1"
}
while read -r command; do
    echo "== $command"
    as_alice "$command"
    echo "exit $?"
done <<< "$COMMANDS"
stat -c '%U %a %n' /home/alice/now.spo /home/alice/now.spo/pages.parquet
