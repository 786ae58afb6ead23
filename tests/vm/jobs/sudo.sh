# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Run $OUT/user.sh as alice, who may use sudo without a password, with Debian's secure_path; then list the files' owners.
if [ -n "${HEADERS:-}" ]; then
    # They may be in root's home, which as_others.sh hides.
    mkdir -p /run/headers
    mount --bind "$HEADERS" /run/headers
    HEADERS=/run/headers
fi
. "$VM/jobs/as_others.sh"
. "$VM/jobs/trace_helpers.sh"
swap_on /dev/vda

# over FILE MODE: replace a file in /etc of this guest by stdin
over() {
    mkdir -p /run/etc
    cat > "/run/etc/$1"
    chmod "$2" "/run/etc/$1"
    mount --bind "/run/etc/$1" "/etc/$1"
}
{ cat /etc/passwd; echo 'alice:x:12345:12345::/run/home/alice:/bin/bash'; } | over passwd 644
{ cat /etc/group; echo 'alice:x:12345:'; } | over group 644
printf 'root:*:20000::::::\nalice:*:20000::::::\n' | over shadow 640
over sudoers 440 <<'SUDOERS'
Defaults env_reset, use_pty
Defaults secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
root ALL=(ALL:ALL) ALL
alice ALL=(ALL:ALL) NOPASSWD: ALL
SUDOERS
# The textfile collector's directory, where spo-trace metrics writes.
mount -t tmpfs tmpfs /var/lib
install -d /var/lib/prometheus/node-exporter
# lo, where it serves them: SIOCSIFFLAGS, IFF_UP and IFF_RUNNING.
python3 -c 'import fcntl, socket, struct
fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8914, struct.pack("16sh14x", b"lo", 0x41))'
hostname guest
{ echo '127.0.0.1 localhost guest'; } | over hosts 644
mkdir -p /run/home
install -d -m 755 -o alice -g alice /run/home/alice

# Like make install: a link in /usr/local/bin, where sudo finds it.
program=$(command -v spo-trace)
mkdir -p /run/bin/upper /run/bin/work
mount -t overlay -o lowerdir=/usr/local/bin,upperdir=/run/bin/upper,workdir=/run/bin/work overlay /usr/local/bin ||
    mount -t tmpfs -o mode=755 tmpfs /usr/local/bin
ln -sf "$program" /usr/local/bin/spo-trace

# Children of init.sh ignore SIGINT; the user of a terminal can press Ctrl-C.
as() { setpriv --reuid "$1" --regid "$1" --init-groups env --default-signal=INT -i HOME=/run/home/alice USER="$1" LANG=C.UTF-8 PATH=/usr/local/bin:/usr/bin:/bin "${@:2}"; }
cp "$OUT/user.sh" /run/user.sh
as alice bash /run/user.sh || exit

cd /run/home/alice || exit
find . -mindepth 1 -printf '%u %g %m %P\n' > "$OUT/files"
find . -type f -printf '%P\n' | as games bash -c 'while read -r file; do [ ! -r "$file" ] || echo "$file"; done' > "$OUT/readable"
find ~root/.cache -printf '%u\n' > "$OUT/cache" 2> /dev/null || :
