#!/bin/sh
# The Job: does for all nodes what each one's membership.sh does for its own, and ends when all agree that the cluster
# is whole. Safe to run at any time and twice at once.
set -u
SCRIPTS=$(dirname "$0")
. "$SCRIPTS/nodes.sh"
peers=/tmp/peers
limit_s=${JOIN_LIMIT_S:-300}

silent() { # pods that don't answer
  for ordinal in $(ordinals); do
    grep -q "^$ordinal " "$peers" || printf ' %s-%s' "$NAME" "$ordinal"
  done
}

unfinished() { # pods that answer and don't see a whole cluster that serves
  while read -r ordinal address _; do
    table_of "$address" | awk -f "$SCRIPTS/whole.awk" -v pods="$PODS" -v primaries="$PRIMARIES" &&
      ask "$address" CLUSTER INFO | grep -q '^cluster_state:ok' || printf ' %s-%s' "$NAME" "$ordinal"
  done <"$peers"
}

tend_all() {
  while read -r _ address _; do tend "$address" "$peers"; done <"$peers"
}

end=$(($(date +%s) + limit_s))
while survey >"$peers"; do
  absent=$(silent)
  behind=$(unfinished)
  [ -n "$absent$behind" ] || break
  if [ "$(date +%s)" -ge "$end" ]; then
    say "the Redis Cluster is not whole after $limit_s s;${absent:+ without an answer:$absent;}${behind:+ not joined:$behind;} see their logs"
    exit 1
  fi
  tend_all
  sleep 1
done
say "the Redis Cluster is whole: $PODS nodes, all slots served"
