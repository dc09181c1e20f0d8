#!/bin/sh
# The readiness probe. A replica is ready if it is in sync with its primary, a primary if it serves slots. A rolling
# restart waits for this, pod by pod. Before the first join no node serves slots, and nodes that know each other are
# ready, so that nothing waits for the Job.
set -u
SCRIPTS=$(dirname "$0")
. "$SCRIPTS/nodes.sh"

printf 'INFO replication\nCLUSTER NODES\n' | ask "$local_address" | awk '
  /^role:slave/ { replica = 1 }
  /^master_link_status:up/ { linked = 1 }
  $3 ~ /master|slave/ { members++ }
  $3 ~ /master/ && NF > 8 { joined = 1 }
  $3 ~ /myself/ && NF > 8 { serving = 1 }
  END { exit !(replica ? linked : members > 1 && (serving || !joined)) }'
