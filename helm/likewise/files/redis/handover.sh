#!/bin/sh
# Runs before the server stops. A primary makes its replica take over, so that no like waits for a failover.
set -u
SCRIPTS=$(dirname "$0")
. "$SCRIPTS/nodes.sh"

# Prints the address of a connected replica, if this node is a primary with slots.
replica_of_self() {
  table_of "$local_address" | awk '
    $3 ~ /myself/ && $3 ~ /master/ && NF > 8 { me = $1 }
    $3 ~ /slave/ && $3 !~ /fail/ && $8 == "connected" { at[$4] = $2 }
    END { sub(/@.*/, "", at[me]); sub(/:[0-9]+$/, "", at[me]); if (me) print at[me] }'
}

for attempt in $(seq 20); do
  to=$(replica_of_self)
  [ -n "$to" ] || exit 0
  [ $((attempt % 5)) -ne 1 ] || ask "$to" CLUSTER FAILOVER
  sleep 1
done
