#!/bin/sh
# Beside the server in each pod: keeps the pod's node a member of the cluster, whatever address the others have.
set -u
SCRIPTS=$(dirname "$0")
. "$SCRIPTS/nodes.sh"
trap 'exit 0' TERM INT

pause() { # SECONDS, ended by a signal
  sleep "$1" &
  wait $!
}

while :; do
  if table_of "$local_address" | awk -f "$SCRIPTS/whole.awk" -v pods="$PODS" -v primaries="$PRIMARIES"; then
    pause 5
  else
    survey >/tmp/peers
    tend "$local_address" /tmp/peers
    pause 2
  fi
done
