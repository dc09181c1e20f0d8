#!/bin/sh
# Ready: a replica in step with its primary, or a primary that serves. A rolling restart waits for it, pod by pod.
# Before the first join nobody serves, and members that know each other are ready: nothing waits for the Job.
set -u
SCRIPTS=$(dirname "$0")
. "$SCRIPTS/nodes.sh"

replication=$(ask "$local_address" INFO replication) || exit 1
case $replication in
  *role:slave*) printf '%s\n' "$replication" | grep -q '^master_link_status:up' ;;
  *) table_of "$local_address" | awk '
       NF > 8 { joined = 1 }
       NF > 8 && $3 ~ /myself/ { serving = 1 }
       END { exit !(NR > 1 && (serving || !joined)) }' ;;
esac
