# What one node of the cluster should do next. Reads the survey (a line `ordinal address id host` for each pod that
# answers), then the node's own CLUSTER NODES; prints commands for that node, or nothing. Variables: pods, primaries.
#
# It only decides about its own node, and the same survey and table always give the same commands: the loops of the
# pods and any number of join Jobs may run at once, and each continues where another was interrupted. Only the first
# stage acts on a part of the view; the others wait until every pod answers and is known, so that nothing is given
# away that belongs to a pod which is merely out of sight.

FILENAME == ARGV[1] { ordinal[$3] = $1; address[$3] = $2; host[$3] = $4; pod[$1] = $3; next }
{
  id = $1; flags[id] = $3; primary[id] = $4; heard[id] = $6; link[id] = $8; where[id] = $2
  sub(/@.*/, "", where[id]); sub(/:[0-9]+$/, "", where[id])
  if ($3 ~ /myself/) me = id
  if ($3 ~ /slave/) replicas[$4]++
  for (field = 9; field <= NF; field++) own(id, $field)
}
END {
  if (me in ordinal)
    meet() || wait_for_all() || succeed() || forget() || claim() || follow() || spread()
}

function own(id, range,    ends, slot) {
  if (range ~ /^\[/) return
  if (split(range, ends, "-") == 1) ends[2] = ends[1]
  for (slot = ends[1] + 0; slot <= ends[2] + 0; slot++) { owner[slot] = id; slots[id]++ }
}
function live(id) { return link[id] == "connected" && flags[id] !~ /fail|noaddr|handshake/ }
function serves(id) { return flags[id] ~ /master/ && slots[id] > 0 }
function act(command) { print command; return 1 }

# Pods that came back elsewhere, or are new: their addresses in the table are stale.
function meet(    id, done) {
  for (id in ordinal)
    if (id != me && (where[id] != address[id] || link[id] != "connected")) done = act("CLUSTER MEET " address[id] " 6379")
  return done
}
function wait_for_all(    id, known) {
  for (id in ordinal) if (id == me || (live(id) && heard[id] > 0)) known++
  return known != pods
}

# From here on every pod is in sight, so a member that no pod is has lost its volume, or was scaled away: it never
# comes back. While primaries are left to vote, its replica is elected by the cluster itself.
function gone(id) { return !(id in ordinal) && flags[id] !~ /handshake/ }
function heir_of(lost,    id, best) {
  for (id in ordinal)
    if (flags[id] ~ /slave/ && primary[id] == lost && (!best || ordinal[id] < ordinal[best])) best = id
  return best
}
function succeed(    id, lost, left) {
  for (id in flags) if (serves(id)) { if (gone(id)) lost++; else left++ }
  if (!lost || left > lost || heir_of(primary[me]) != me || !gone(primary[me]) || !serves(primary[me])) return 0
  return act("CLUSTER FAILOVER TAKEOVER")
}
function forget(    id, done) {
  for (id in flags)
    if (gone(id)) done = (live(id) || (serves(id) && heir_of(id))) ? 1 : act("CLUSTER FORGET " id)
  return done
}

# Slots that nobody has go to the shard's pod of the first join, or to whom it follows now.
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
  # The higher epoch makes the claim win over what the others may still remember.
  if (ranges) { act("CLUSTER ADDSLOTSRANGE" ranges); act("CLUSTER BUMPEPOCH") }
  return open
}

function follow(    target) {
  if (flags[me] !~ /master/ || slots[me]) return 0
  target = needing()
  return target ? act("CLUSTER REPLICATE " target) : 0
}
# The last of several replicas goes to a primary that has none.
function spread(    id, target) {
  if (flags[me] !~ /slave/ || replicas[primary[me]] < 2) return 0
  for (id in ordinal) if (primary[id] == primary[me] && ordinal[id] > ordinal[me]) return 0
  target = needing()
  return target && !replicas[target] ? act("CLUSTER REPLICATE " target) : 0
}
# The primary with the fewest replicas; then one on another machine; then in turn, so that pods that choose at the
# same moment choose different ones.
function needing(    id, cost, least, best) {
  for (id in ordinal) {
    if (!serves(id)) continue
    cost = replicas[id] * 1e6 + (host[id] == host[me]) * 1e3 + (ordinal[id] - ordinal[me] + pods * primaries) % primaries
    if (!best || cost < least) { best = id; least = cost }
  }
  return best
}
