# shellcheck shell=sh
# Functions to find and query the cluster's nodes. NAME is the StatefulSet, SERVICE its headless Service.

# shellcheck disable=SC2034
local_address=127.0.0.1

say() { printf '%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*"; }

ordinals() { seq 0 $((PODS - 1)); }

# ORDINAL: prints the present address of a pod by DNS. The pod need not be ready.
address_of() {
  getent hosts "$NAME-$1.$SERVICE" | awk '{ print $1; exit }'
}

# ADDRESS COMMAND...: prints the reply. Fails if there is none, or if it is an error.
ask() {
  to=$1
  shift
  timeout 3 valkey-cli -e -h "$to" "$@" 2>/dev/null
}

# ADDRESS: prints the node's CLUSTER NODES.
table_of() {
  ask "$1" CLUSTER NODES
}

# ADDRESS POD: prints `id host` of the node, if the node at the address is that pod's.
identity() {
  printf 'CLUSTER MYID\nCONFIG GET cluster-announce-human-nodename\n' | ask "$1" | awk -v pod="$2" '
    length($1) == 40 { id = $1 }
    id && index($1, pod ".") == 1 { print id, substr($1, length(pod) + 2) }'
}

# Prints a line `ordinal address id host` for each pod that answers. All are queried at the same time. A DNS record may
# be stale, and its address may now belong to another pod, even of another cluster. The password and the announced name
# detect that.
survey() {
  # Each name is a separate word.
  # shellcheck disable=SC2046
  getent hosts $(for ordinal in $(ordinals); do echo "$NAME-$ordinal.$SERVICE"; done) | {
    while read -r at host _; do
      pod=${host%%.*}
      { node=$(identity "$at" "$pod"); [ -z "$node" ] || echo "${pod##*-} $at $node"; } &
    done
    wait
  }
}

# ADDRESS PEERS: executes the next commands of the node at ADDRESS. The file PEERS holds a survey.
tend() {
  table_of "$1" | awk -f "$SCRIPTS/plan.awk" -v pods="$PODS" -v primaries="$PRIMARIES" "$2" - |
    while read -r command; do
      # A command consists of words.
      # shellcheck disable=SC2086
      reply=$(ask "$1" $command) || reply="refused: ${reply:-no reply}"
      say "$1: $command: $(printf '%s' "$reply" | head -n 1)"
    done
}
