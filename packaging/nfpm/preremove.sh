#!/bin/sh
# Before removal, not before an upgrade: dpkg says "upgrade", rpm says 1.
set -e
case ${1:-} in
  upgrade | 1) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then
  systemctl disable --now culvert.service || true
fi
