#!/bin/sh
# Starts the server with the pod's present address.
set -eu
SCRIPTS=$(dirname "$0")
. "$SCRIPTS/nodes.sh"

quoted() { printf '"%s"' "$(printf '%s' "$1" | sed 's/[\\"]/\\&/g')"; }

configuration() {
  cat "$SCRIPTS/valkey.conf"
  echo "cluster-announce-ip $POD_IP"
  echo "cluster-announce-human-nodename $POD_NAME.$NODE_NAME"
  echo "requirepass $(quoted "$REDISCLI_AUTH")"
  echo "masterauth $(quoted "$REDISCLI_AUTH")"
}

# Prints the node's id, if it was a primary with slots when it stopped.
former_primary() {
  [ ! -s /data/nodes.conf ] || awk '$3 ~ /myself/ && $3 ~ /master/ && NF > 8 { print $1 }' /data/nodes.conf
}

# ID: prints the address of a replica of that primary, if some pod sees one that the other primaries can elect.
electable_replica() {
  for ordinal in $(ordinals); do
    at=$(address_of "$ordinal")
    [ -n "$at" ] && [ "$at" != "$POD_IP" ] || continue
    table_of "$at" | awk -v id="$1" '
      $1 == id { primary = $3 ~ /master/ && NF > 8 }
      $4 == id && $8 == "connected" && $3 !~ /fail/ { replica = $2; sub(/@.*/, "", replica); sub(/:[0-9]+$/, "", replica) }
      $1 != id && $3 ~ /master/ && NF > 8 { others++; if ($8 == "connected" && $3 !~ /fail/) voters++ }
      END { if (primary && replica && voters > (others + 1) / 2) print replica }' &
  done
  wait
}

# A primary that crashes and restarts before the others notice would continue with its append-only file. That may lack
# the last writes, and its replica would then lose them too. So the replica takes over first, and this node starts as
# its replica.
hand_over_after_crash() {
  id=$(former_primary)
  [ -n "$id" ] || return 0
  for attempt in $(seq $((3 * NODE_TIMEOUT_MS / 1000))); do
    replica=$(electable_replica "$id" | head -n 1)
    [ -n "$replica" ] || return 0
    [ $((attempt % 5)) -ne 1 ] || say "$replica takes over: $(ask "$replica" CLUSTER FAILOVER FORCE)"
    sleep 1
  done
}

umask 077
configuration >/tmp/valkey.conf
hand_over_after_crash
exec valkey-server /tmp/valkey.conf
