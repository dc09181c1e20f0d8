#!/bin/sh
# Runs beside the server in each pod. Keeps the pod's node in the cluster, even if the addresses of other pods change.
set -u
SCRIPTS=$(dirname "$0")
. "$SCRIPTS/nodes.sh"
trap 'exit 0' TERM INT

# SECONDS: sleeps in the background, so that a signal ends the wait at once.
pause() {
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
