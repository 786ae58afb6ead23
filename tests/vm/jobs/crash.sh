# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# A crash, when memory of all kinds is in memory, in swap, and back from swap. $KERNEL: the kernel to start then, which
# copies the memory of this one to $OUT/vmcore.crash.
take() {
    [ "$1" = 3-partial ] || return 0
    capture before
    local line
    line=$(sed "s|init=[^ ]*|init=$VM/guest/crash_init.sh|; s/crashkernel=[^ ]*//; s/page_owner=[^ ]*//" /proc/cmdline)
    kexec -p "$KERNEL" --append="$line reset_devices maxcpus=1 nokaslr no_timer_check" || exit
    echo c > /proc/sysrq-trigger
}
. "$VM/jobs/varied.sh"
