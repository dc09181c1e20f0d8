# Prints the next commands of one node of the cluster, or nothing. Reads the survey (a line `ordinal address id host` for
# each pod that answers), then the node's own CLUSTER NODES. Variables: pods, primaries.
#
# The plan concerns the node itself only, and depends on the survey and the table only. So the sidecars of all pods and
# any number of join Jobs can run at the same time, and each resumes where another was interrupted. Only the first step
# acts on a partial view. The others wait until every pod answers and is known, so that nothing is taken from a pod that
# is merely unreachable.

FILENAME == ARGV[1] { ordinal[$3] = $1; address[$3] = $2; host[$3] = $4; pod[$1] = $3; next }
{
  id = $1; flags[id] = $3; primary[id] = $4; last_pong[id] = $6; link[id] = $8; where[id] = $2
  sub(/@.*/, "", where[id]); sub(/:[0-9]+$/, "", where[id])
  if ($3 ~ /myself/) me = id
  if ($3 ~ /slave/) replicas[$4]++
  for (field = 9; field <= NF; field++) record(id, $field)
}
END {
  if (me in ordinal)
    meet() || wait_for_all() || take_over() || forget() || claim() || follow() || spread()
}

function record(id, range,    ends, slot) {
  if (range ~ /^\[/) return
  if (split(range, ends, "-") == 1) ends[2] = ends[1]
  for (slot = ends[1] + 0; slot <= ends[2] + 0; slot++) { owner[slot] = id; slots[id]++ }
}
function is_live(id) { return link[id] == "connected" && flags[id] !~ /fail|noaddr|handshake/ }
function serves_slots(id) { return flags[id] ~ /master/ && slots[id] > 0 }
function act(command) { print command; return 1 }

# Meets pods that are new, or whose address in the table is stale.
function meet(    id, done) {
  for (id in ordinal)
    if (id != me && (where[id] != address[id] || link[id] != "connected")) done = act("CLUSTER MEET " address[id] " 6379")
  return done
}
function wait_for_all(    id, known) {
  for (id in ordinal) if (id == me || (is_live(id) && last_pong[id] > 0)) known++
  return known != pods
}

# From here on every pod answers. A member without a pod has lost its volume or was removed by scaling, and never
# returns. If a majority of primaries is left, the cluster elects its replica by itself.
function is_gone(id) { return !(id in ordinal) && flags[id] !~ /handshake/ }
function first_replica_of(lost,    id, best) {
  for (id in ordinal)
    if (flags[id] ~ /slave/ && primary[id] == lost && (!best || ordinal[id] < ordinal[best])) best = id
  return best
}
function take_over(    id, lost, left) {
  for (id in flags) if (serves_slots(id)) { if (is_gone(id)) lost++; else left++ }
  if (!lost || left > lost || first_replica_of(primary[me]) != me || !is_gone(primary[me]) || !serves_slots(primary[me])) return 0
  return act("CLUSTER FAILOVER TAKEOVER")
}
function forget(    id, done) {
  for (id in flags)
    if (is_gone(id)) done = (is_live(id) || (serves_slots(id) && first_replica_of(id))) ? 1 : act("CLUSTER FORGET " id)
  return done
}

# Assigns slots without an owner to the pod that owned them after the first join, or to the primary it follows now.
function claim(    shard, slot, taker, ranges, open, from) {
  for (shard = 0; shard < primaries; shard++) {
    taker = flags[pod[shard]] ~ /slave/ ? primary[pod[shard]] : pod[shard]
    for (slot = int(shard * 16384 / primaries); slot < int((shard + 1) * 16384 / primaries); slot++) {
      if (slot in owner) continue
      open = 1
      if (taker != me) continue
      from = slot
      while (slot + 1 < int((shard + 1) * 16384 / primaries) && !((slot + 1) in owner)) slot++
      ranges = ranges " " from " " slot
    }
  }
  # A higher epoch makes the claim win over stale claims in other nodes' tables.
  if (ranges) { act("CLUSTER ADDSLOTSRANGE" ranges); act("CLUSTER BUMPEPOCH") }
  return open
}

function follow(    target) {
  if (flags[me] !~ /master/ || slots[me]) return 0
  target = neediest()
  return target ? act("CLUSTER REPLICATE " target) : 0
}
# Moves the last of several replicas to a primary that has none.
function spread(    id, target) {
  if (flags[me] !~ /slave/ || replicas[primary[me]] < 2) return 0
  for (id in ordinal) if (primary[id] == primary[me] && ordinal[id] > ordinal[me]) return 0
  target = neediest()
  return target && !replicas[target] ? act("CLUSTER REPLICATE " target) : 0
}
# Returns the primary with the fewest replicas. Prefers one on another machine, then one by ordinal, so that pods that
# choose at the same time choose different ones.
function neediest(    id, cost, least, best) {
  for (id in ordinal) {
    if (!serves_slots(id)) continue
    cost = replicas[id] * 1e6 + (host[id] == host[me]) * 1e3 + (ordinal[id] - ordinal[me] + pods * primaries) % primaries
    if (!best || cost < least) { best = id; least = cost }
  }
  return best
}
