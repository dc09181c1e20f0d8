# Reads a node's CLUSTER NODES. Succeeds if, as far as the node knows, the cluster is complete: every pod is a member,
# every slot is served, and every primary has a replica. Variables: pods, primaries.
{
  members++
  if ($3 ~ /fail|noaddr|handshake/ || $8 != "connected") broken = 1
  if ($3 ~ /master/ && NF < 9) broken = 1
  if ($3 ~ /master/) serving[$1]
  if ($3 ~ /slave/) followed[$4]
  for (field = 9; field <= NF; field++)
    if ($field !~ /^\[/) covered += (split($field, ends, "-") == 2) ? ends[2] - ends[1] + 1 : 1
}
END {
  if (pods >= 2 * primaries)
    for (id in serving) if (!(id in followed)) broken = 1
  exit !(members == pods && covered == 16384 && !broken)
}
