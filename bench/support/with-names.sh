#!/bin/sh
# with-names.sh ROOT HOSTS CA PROGRAM [ARGS]: runs a program that finds the names of HOSTS (an /etc/hosts), in a mount
# namespace of its own. With another ROOT than / it runs in there, and trusts the authority CA alone.
set -eu
if [ "${IN_NAMESPACE:-}" != yes ]; then
  IN_NAMESPACE=yes exec unshare --mount --propagation private "$0" "$@"
fi
root=${1%/}
mount --bind "$2" "$root/etc/hosts"
[ "$root" = '' ] || mount --bind "$3" "$root/etc/ssl/certs/ca-certificates.crt"
shift 3
if [ "$root" = '' ]; then exec "$@"; else exec chroot "$root" "$@"; fi
