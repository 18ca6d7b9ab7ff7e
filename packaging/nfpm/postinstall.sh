#!/bin/sh
# After install and upgrade: the user, and who may read the configuration with its secrets. Nothing is started.
set -e
if command -v systemd-sysusers >/dev/null; then
  systemd-sysusers culvert.conf
fi
if getent group culvert >/dev/null && [ -f /etc/culvert/culvert.toml ]; then
  chgrp culvert /etc/culvert/culvert.toml
fi
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  if systemctl is-active --quiet culvert.service; then
    systemctl restart culvert.service
  fi
fi
