#!/bin/busybox sh
# The guest's first program: mounts the host's root read-only, lays a folder in memory over it, and goes on there.
B=/bin/busybox
$B mount -t proc proc /proc
$B mount -t devtmpfs dev /dev
while read -r module; do $B insmod "/modules/$module"; done < /modules/order

# The host's files do not change under a guest that lives for minutes, so everything read is kept (cache=loose).
$B mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro host /host || exit 1
$B mount -t tmpfs -o size=90% memory /memory
$B mkdir /memory/upper /memory/work
$B mount -t overlay -o lowerdir=/host,upperdir=/memory/upper,workdir=/memory/work root /root || exit 1

$B mount -t devtmpfs dev /root/dev
$B mount -t proc proc /root/proc
$B mount -t sysfs sys /root/sys
$B mount -t tmpfs -o mode=755 run /root/run
$B mkdir /root/run/lab /root/run/lab-boot
$B cp /enter /settings /command /root/run/lab-boot/
case " $($B cat /proc/cmdline) " in
*" lab.share "*) $B mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 share /root/run/lab || exit 1 ;;
esac

# Process 1 itself has to change its root: the kernel starts modprobe in the root folder of process 1.
exec $B chroot /root /bin/sh /run/lab-boot/enter
