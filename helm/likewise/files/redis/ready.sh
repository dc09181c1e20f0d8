#!/bin/sh
# Ready: a replica in step with its primary, or a primary that serves. A rolling restart waits for it, pod by pod.
# Before the first join nobody serves, and members that know each other are ready: nothing waits for the Job.
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
