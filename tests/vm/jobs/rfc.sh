# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The RFC cover letter's experiment, with its own lines. $OUT/figures.tsv: stage, figure, value.
# take STAGE LINES (defined by the caller) is called in each stage; LINES is the function here that runs the letter's lines.
free_figures() {
    figure "$1" free "$(free -m | awk '/^Mem:/ { print $2 "/" $3 "/" $4 }')"
    figure "$1" 'total - free' "$(free -m | awk '/^Mem:/ { print $2-$4 " MiB" }')"
    figure "$1" 'swap used' "$(free -m | awk '/^Swap:/ { print $3 " MiB" }')"
}
all_figures() {
    free_figures "$1"
    figure "$1" page_owner "$(page_owner_mib)"
    figure "$1" swap_page_owner "$(swap_page_owner_mib 2>&1 | tr '\n' ' ')"
}
comm_figures() {
    figure "$1" dd "$(comm_mib dd)"
    figure "$1" cat "$(comm_mib cat)"
}

swap_on /dev/vda
steady_reclaim
mkdir -p /run/tmpfs /run/tmpfs-noswap /run/worker
mount -t tmpfs -o size=1g none /run/tmpfs
mount -t tmpfs -o size=1g,noswap none /run/tmpfs-noswap
# Replaces the memory of the user space in the letter's guest.
python3 "$VM/jobs/worker.py" - anon 24 > /dev/null 2>&1 &
until [ -s /run/worker/$! ]; do sleep 0.2; done

take 0-initial all_figures
dd if=/dev/zero of=/run/tmpfs/file status=none bs=1M count=256
take 1-dd256 comm_figures
ln -sf "$(which dd)" /run/DD
forget_files
/run/DD if=/dev/zero of=/run/tmpfs-noswap/file status=none bs=1M count=384
take 2-swapped all_figures
rm /run/tmpfs-noswap/file
forget_files
cat /run/tmpfs/file > /dev/null
take 3-back comm_figures
rm /run/tmpfs/file
swapoff -a
figure 4-swapoff swap_page_owner "$(swap_page_owner_mib 2>&1 | tr '\n' ' ')"
