#!/bin/sh
# Runs a command on a copy-on-write view of this machine, so that OpenCode's own tools can work in /workspace and /outside
# without either being made here.
#
#   host-view.sh KEPT COMMAND [ARGUMENT...]
#
# KEPT is the one directory whose changes are real. The view goes with the command's last process.
set -eu
if [ "${HOST_VIEW_INSIDE:-}" != 1 ]; then
  HOST_VIEW_INSIDE=1 exec unshare --mount --propagation private "$0" "$@"
fi
unset HOST_VIEW_INSIDE
kept=$1
shift
# Upper and lower layers may not lie in one another: the changes go to a file system of their own.
mount -t tmpfs view "$kept/view"
mkdir "$kept/view/upper" "$kept/view/work" "$kept/view/root"
mount -t overlay view -o "lowerdir=/,upperdir=$kept/view/upper,workdir=$kept/view/work" "$kept/view/root"
cd "$kept/view/root"
for place in proc sys dev; do mount --rbind "/$place" "$place"; done
mkdir -p "./$kept" workspace
mount --bind "$kept" "./$kept"
# A sandbox has none of these settings.
rm -f root/.gitconfig etc/gitconfig
# OpenCode finds out when it starts what the project is.
git init -q workspace
exec chroot . sh -c 'cd /workspace && exec "$@"' sh "$@"
