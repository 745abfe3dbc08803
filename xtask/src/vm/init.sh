#!/bin/busybox sh
# The first process of a test machine: mounts, loads modules, runs /test and leaves with its verdict.
/bin/busybox --install -s /bin
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts none /dev/pts
mount -t tmpfs none /dev/shm
mount -t tmpfs none /run
mount -t tmpfs none /tmp
mount -t securityfs none /sys/kernel/security
mount -t debugfs none /sys/kernel/debug 2>/dev/null
mount -t tracefs none /sys/kernel/tracing
mount -t bpf none /sys/fs/bpf
mount -t cgroup2 none /sys/fs/cgroup
mkdir -p /run/netns /var
ln -s /run /var/run
hostname netdiag-vm
while read -r module; do
    insmod "/mods/$module.ko" || echo "INSMOD-FAILED $module"
done </mods/order
ip link set lo up
echo "BOOTED $(uname -r) $(cut -d' ' -f1 /proc/uptime)"
# The results go out by the second serial port; closing it waits until they are out.
{
    stty -F /dev/ttyS1 raw -echo
    /test
    verdict=$?
} >/dev/ttyS1 2>&1 </dev/null
echo "VERDICT $verdict"
if [ "$verdict" = 0 ]; then /qexit 16; else /qexit 17; fi
poweroff -f
