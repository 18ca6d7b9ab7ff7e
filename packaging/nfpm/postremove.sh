#!/bin/sh
# After removal. The user stays: files may be its own.
set -e
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
fi
