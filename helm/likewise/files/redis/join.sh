#!/bin/sh
# The join Job. Does for all nodes what membership.sh does for its own node, and exits when all nodes agree that the
# cluster is complete. It is safe to run at any time, and more than once at the same time.
set -u
SCRIPTS=$(dirname "$0")
. "$SCRIPTS/nodes.sh"
peers=/tmp/peers
limit_s=${JOIN_LIMIT_S:-300}

# Prints the pods that do not answer.
silent_pods() {
  for ordinal in $(ordinals); do
    grep -q "^$ordinal " "$peers" || printf ' %s-%s' "$NAME" "$ordinal"
  done
}

# Prints the pods that answer but do not see a complete cluster that serves requests.
pods_behind() {
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
  silent=$(silent_pods)
  behind=$(pods_behind)
  [ -n "$silent$behind" ] || break
  if [ "$(date +%s)" -ge "$end" ]; then
    say "the Redis Cluster is not complete after $limit_s s;${silent:+ not answering:$silent;}${behind:+ not joined:$behind;} see their logs"
    exit 1
  fi
  tend_all
  sleep 1
done
say "the Redis Cluster is complete: $PODS nodes, all slots are served"
