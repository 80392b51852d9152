# The guest's second program, in the host's files: loads modules, brings the network up, runs the command.
. /run/lab-boot/settings
PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
export PATH

for name in /sys/class/virtio-ports/*/name; do
    port=${name%/name}
    [ "$(cat "$name")" = lab.output ] && exec 3> "/dev/${port##*/}"
done

mkdir -p /dev/pts /dev/shm "/lib/modules/$(uname -r)"
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount --bind "$MODULES_FOLDER" "/lib/modules/$(uname -r)"
# shellcheck disable=SC2086 # a list of words
modprobe -a $MODULES

ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
hostname lab
ulimit -n 65536

sh /run/lab-boot/command < /dev/null >&3 2>&3 3>&-
# Record separator: no program writes it, so what follows is not output.
printf '\036exit %d\n' $? >&3

# The host has what it wanted and stops the guest; this is for the case that it does not.
sleep 10
echo o > /proc/sysrq-trigger
sleep 10
