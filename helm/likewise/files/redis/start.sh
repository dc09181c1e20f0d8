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

heir_is_due() { # ID: does the first pod that answers see it as a primary whose replica the others can elect?
  for ordinal in $(ordinals); do
    [ "$NAME-$ordinal" != "$POD_NAME" ] || continue
    table=$(table_of "$(address_of "$ordinal")") || continue
    printf '%s\n' "$table" | awk -v id="$1" '
      $1 == id { primary = $3 ~ /master/ && NF > 8 }
      $4 == id && $8 == "connected" && $3 !~ /fail/ { replica = 1 }
      $1 != id && $3 ~ /master/ && NF > 8 { others++; if ($8 == "connected" && $3 !~ /fail/) voters++ }
      END { exit !(primary && replica && voters > (others + 1) / 2) }'
    return
  done
  return 1
}

# A primary that died and is back before anyone noticed would go on with its log, which may lack the last moments,
# and take them from its replica too. So it waits for the replica to take over: three node timeouts are enough.
let_heir_take_over() {
  id=$(served)
  [ -n "$id" ] || return 0
  for _ in $(seq $((3 * NODE_TIMEOUT_MS / 1000))); do
    heir_is_due "$id" || return 0
    say "a replica is about to take over; waiting"
    sleep 1
  done
}

umask 077
configuration >/tmp/valkey.conf
let_heir_take_over
exec valkey-server /tmp/valkey.conf
