# shellcheck shell=sh
# How the cluster's pods are found and asked. NAME is the StatefulSet's, SERVICE its headless Service's.

# shellcheck disable=SC2034
local_address=127.0.0.1

say() { printf '%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*"; }

ordinals() { seq 0 $((PODS - 1)); }

address_of() { # ORDINAL: where the pod is now, by DNS; the pod need not be ready
  getent hosts "$NAME-$1.$SERVICE" | awk '{ print $1; exit }'
}

ask() { # ADDRESS COMMAND...: the reply; fails where there is none, or an error
  to=$1
  shift
  timeout 3 valkey-cli -e -h "$to" "$@" 2>/dev/null
}

table_of() { # ADDRESS: its CLUSTER NODES
  ask "$1" CLUSTER NODES
}

identity() { # ADDRESS POD: `id host` of the pod's node, if that is what answers there
  printf 'CLUSTER MYID\nCONFIG GET cluster-announce-human-nodename\n' | ask "$1" | awk -v pod="$2" '
    length($1) == 40 { id = $1 }
    id && index($1, pod ".") == 1 { print id, substr($1, length(pod) + 2) }'
}

# A line `ordinal address id host` for each pod that answers, all asked at once. DNS may be some seconds old, and an
# address may be another pod's by now, of another cluster even: the password and the announced name tell.
survey() {
  # shellcheck disable=SC2046  # a word for each pod
  getent hosts $(for ordinal in $(ordinals); do echo "$NAME-$ordinal.$SERVICE"; done) | {
    while read -r at host _; do
      pod=${host%%.*}
      { who=$(identity "$at" "$pod"); [ -z "$who" ] || echo "${pod##*-} $at $who"; } &
    done
    wait
  }
}

# ADDRESS PEERS: make the node at ADDRESS do what it should do next, given the survey in the file PEERS.
tend() {
  table_of "$1" | awk -f "$SCRIPTS/plan.awk" -v pods="$PODS" -v primaries="$PRIMARIES" "$2" - |
    while read -r command; do
      # shellcheck disable=SC2086  # a command is words
      reply=$(ask "$1" $command) || reply="refused: ${reply:-no reply}"
      say "$1: $command: $(printf '%s' "$reply" | head -n 1)"
    done
}
