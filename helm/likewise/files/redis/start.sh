#!/bin/sh
# Starts the server under the pod's present address.
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

served() { # the node's id, if it served slots when it went
  [ ! -s /data/nodes.conf ] || awk '$3 ~ /myself/ && $3 ~ /master/ && NF > 8 { print $1 }' /data/nodes.conf
}

heir_of() { # ID: the address of its replica, where some pod sees one that the others can elect
  for ordinal in $(ordinals); do
    at=$(address_of "$ordinal")
    [ -n "$at" ] && [ "$at" != "$POD_IP" ] || continue
    table_of "$at" | awk -v id="$1" '
      $1 == id { primary = $3 ~ /master/ && NF > 8 }
      $4 == id && $8 == "connected" && $3 !~ /fail/ { heir = $2; sub(/@.*/, "", heir); sub(/:[0-9]+$/, "", heir) }
      $1 != id && $3 ~ /master/ && NF > 8 { others++; if ($8 == "connected" && $3 !~ /fail/) voters++ }
      END { if (primary && heir && voters > (others + 1) / 2) print heir }' &
  done
  wait
}

# A primary that died and is back before anyone noticed would go on with its log, which may lack the last moments,
# and take them from its replica too. So it has its replica take over first, and starts as that one's replica.
yield() {
  id=$(served)
  [ -n "$id" ] || return 0
  for attempt in $(seq $((3 * NODE_TIMEOUT_MS / 1000))); do
    heir=$(heir_of "$id" | head -n 1)
    [ -n "$heir" ] || return 0
    [ $((attempt % 5)) -ne 1 ] || say "$heir takes over: $(ask "$heir" CLUSTER FAILOVER FORCE)"
    sleep 1
  done
}

umask 077
configuration >/tmp/valkey.conf
yield
exec valkey-server /tmp/valkey.conf
