#!/bin/sh
# in-modern-root.sh ROOT TMP PROGRAM [ARGS]: runs a program in the Debian sid root, in a mount namespace of its own.
# Network and processes are the machine's, and TMP is the same folder inside: sockets and files there have one name.
set -eu
if [ "${IN_NAMESPACE:-}" != yes ]; then
  IN_NAMESPACE=yes exec unshare --mount --propagation private "$0" "$@"
fi
root=$1
tmp=$2
shift 2
# pivot_root wants a mount point.
mount --bind "$root" "$root"
for part in /proc /sys /dev "$tmp"; do
  mkdir -p "$root$part"
  mount --rbind "$part" "$root$part"
done
mount -t tmpfs tmpfs "$root/run"
cd "$root"
pivot_root . mnt
umount --lazy /mnt
exec "$@"
