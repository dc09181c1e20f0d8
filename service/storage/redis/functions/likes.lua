#!lua name=likewise_@VERSION@
-- The like protocol inside Redis. One call is about one shard, and is atomic.
-- ARCHITECTURE.md and docs/adr/0001 describe the keys. Every function takes one key, the shard's header `{tag}v`;
-- the other keys of the shard have the same prefix `{tag}`.
--
-- Stored fields keep the short names of release 0.1.
-- Header: `life` epoch, `name` name of the epoch, `candidate` name offered for the next epoch, `ver` last version,
--   `d` number of acknowledged batches, `lease` and `lease_until` owner and end of the flusher's lease.
-- Post: `b` base (the count in Postgres), `r` revision of the base, `p` pending weight (shown count = b + p),
--   `k` pending entries, `e` epoch in which the post was loaded, 0 if it was invalidated.

-- The run id of this server process. A promoted replica is another process, so it starts another epoch.
local run_id
-- The estimated size in bytes of each stream that this process has seen, and their sum.
local queued = {}
local queued_total = 0

local function now_us()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

local function format_integer(number) return string.format('%d', number) end

local function prefix_of(header) return string.sub(header, 1, -2) end

local function server_run_id()
  run_id = run_id or string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  return run_id
end

-- Whether this process offered the name.
local function is_ours(name) return name and string.find(name, server_run_id(), 1, true) == 1 end

-- Offers a name for the next epoch. All callers get the same name until the epoch starts.
local function new_epoch(header)
  local candidate = redis.call('HGET', header, 'candidate')
  if not is_ours(candidate) then
    candidate = server_run_id() .. ':' .. format_integer(now_us())
    redis.call('HSET', header, 'candidate', candidate)
  end
  return {'NEWEPOCH', candidate}
end

local function set_queued_bytes(prefix, bytes)
  queued_total = queued_total + bytes - (queued[prefix] or 0)
  queued[prefix] = bytes
end

local function entry_bytes_of(post, actor) return 40 + #post + #actor end

-- Adds the entries of a call to the estimate. They count like the first one, until the next estimate.
local function add_queued_bytes(prefix, entries, entry_bytes)
  set_queued_bytes(prefix, (queued[prefix] or 0) + entries * entry_bytes)
end

-- Estimates the stream's size by one of its entries, or nil if it has none.
local function estimate_queued_bytes(prefix, length, entry)
  set_queued_bytes(prefix, entry and length * entry_bytes_of(entry[2][2], entry[2][4]) or 0)
end

local function expire(prefix, post, ttl_s)
  redis.call('EXPIRE', prefix .. 'c:' .. post, ttl_s)
  redis.call('EXPIRE', prefix .. 'l:' .. post, ttl_s)
  redis.call('EXPIRE', prefix .. 'u:' .. post, ttl_s)
end

-- A post with a complete set of likers has no set `u`.
local function persist(post)
  redis.call('PERSIST', post.c)
  redis.call('PERSIST', post.l)
  if not post.complete then redis.call('PERSIST', post.u) end
end

-- Bits of a status; service/storage/redis/commands.py has the same.
local LIKED, CHANGED, MISS, FULL, APPROXIMATE = 1, 2, 4, 8, 16

-- The state of one post during a call. Each value is read once, however many items are about the post.
-- All fields are set here, because Lua allocates a growing table again.
-- `actors` and `changed`: of this call. `liked`: by actor, a table after read_actors. `complete`: `l` has all likers.
-- `in_u`: an actor of this call was in `u`. `unliked`: one of `changed` took a like back.
local function read_post(shard, name)
  local prefix = shard.prefix
  local c = prefix .. 'c:' .. name
  local b, p, k, e = unpack(redis.call('HMGET', c, 'b', 'p', 'k', 'e'))
  return {name = name, c = c, l = prefix .. 'l:' .. name, u = prefix .. 'u:' .. name,
    b = tonumber(b), p = tonumber(p), k = tonumber(k), e = e, stale = not b or (e ~= shard.epoch and k == '0'),
    actors = {}, changed = {}, liked = false, complete = false, in_u = false, unliked = false}
end

-- Stores the snapshot of a post that was not in Redis, or was stale.
local function install_snapshot(shard, post, snapshot)
  redis.call('UNLINK', post.l, post.u)
  redis.call('HSET', post.c, 'b', snapshot.base, 'r', snapshot.revision, 'p', 0, 'k', 0, 'e', shard.epoch)
  if snapshot.members then redis.call('SADD', post.l, '*', unpack(snapshot.members)) end
  expire(shard.prefix, post.name, shard.ttl_s)
  post.b, post.p, post.k, post.e, post.stale = tonumber(snapshot.base), 0, 0, shard.epoch, false
end

-- Sets post.liked[actor] of actors who are not in an incomplete set of likers, if `u` has them.
local function read_absent_actors(post, absent)
  local found = redis.call('SMISMEMBER', post.u, unpack(absent))
  for i, actor in ipairs(absent) do
    if found[i] == 1 then post.liked[actor], post.in_u = false, true end
  end
end

-- Sets post.liked[actor] of each actor of the call. It stays nil if Redis cannot know: the set is not complete.
-- `l` has likers, and the member '*' if it has all of them. `u` has actors who are known not to like the post.
local function read_actors(post)
  local actors = post.actors
  local found = redis.call('SMISMEMBER', post.l, '*', unpack(actors))
  local liked, complete, absent = {}, found[1] == 1, nil
  post.liked, post.complete = liked, complete
  for i = 1, #actors do
    if found[i + 1] == 1 then liked[actors[i]] = true
    elseif complete then liked[actors[i]] = false
    else
      absent = absent or {}
      absent[#absent + 1] = actors[i]
    end
  end
  if absent then read_absent_actors(post, absent) end
end

-- Stores the loaded state of one actor.
local function install_actor(shard, post, actor, liked)
  redis.call('SADD', liked and post.l or post.u, actor)
  if not liked then post.in_u = true end
  if post.k == 0 then expire(shard.prefix, post.name, shard.ttl_s) end
end

-- Returns whether the actor likes the post, by the sets or by a fresh snapshot; nil if neither knows.
local function state_of(shard, post, wanted, actor, snapshot)
  local liked = post.liked[actor]
  if liked ~= nil or not snapshot or not snapshot.is_fresh then return liked end
  liked = snapshot.actor_likes
  -- A new liker enters `l` in this call, unless the queue is full, so `u` need not have the actor first.
  if liked or not wanted or shard.is_full then install_actor(shard, post, actor, liked) end
  post.liked[actor] = liked
  return liked
end

-- Adds an entry to the stream. Flushers know the fields by their order: post, actor, operator, weight, trace.
-- Redis completes the id with '-0'.
local function enqueue(shard, post, op, trace, actor, weight)
  local version = shard.version + 1
  if version < shard.now_us then version = shard.now_us end
  shard.version = version
  shard.added = shard.added + 1
  local id = format_integer(version)
  if trace then
    redis.call('XADD', shard.queue, id, 'p', post.name, 'a', actor, 'o', op, 'w', weight, 't', trace)
  else
    redis.call('XADD', shard.queue, id, 'p', post.name, 'a', actor, 'o', op, 'w', weight)
  end
  if post.k == 0 then persist(post) end
  post.p, post.k = post.p + weight, post.k + 1
  post.changed[#post.changed + 1] = actor
end

-- Applies one item. Returns its status and the count.
local function apply_item(shard, post, op, actor, load, snapshot)
  if post.stale then
    if not (snapshot and snapshot.is_fresh) then return MISS, 0 end
    install_snapshot(shard, post, snapshot)
  end
  if actor == '' then return 0, post.b + post.p end
  if not post.liked then read_actors(post) end
  local trace, status = nil, 0
  if #op > 1 then op, trace = string.sub(op, 1, 1), string.sub(op, 2) end
  local wanted = op == '+'
  local liked = state_of(shard, post, wanted, actor, snapshot)
  if liked == nil then
    if load ~= 'degraded' then return MISS, 0 end
    liked, status = false, APPROXIMATE
  end
  if op == '?' or (liked == wanted and status == 0 and post.e == shard.epoch) then
    return status + (liked and LIKED or 0), post.b + post.p
  end
  if shard.is_full then return FULL, 0 end
  enqueue(shard, post, op, trace, actor, liked == wanted and 0 or (wanted and 1 or -1))
  post.liked[actor] = wanted
  if not wanted then post.unliked = true end
  return status + (liked ~= wanted and CHANGED or 0) + (wanted and LIKED or 0), post.b + post.p
end

-- Returns the changed actors who like the post now, and those who do not.
local function split_changed(post)
  if not post.unliked then return post.changed, {} end
  local likers, others = {}, {}
  for _, actor in ipairs(post.changed) do
    local actors = post.liked[actor] and likers or others
    actors[#actors + 1] = actor
  end
  return likers, others
end

-- Moves the changed actors between `l` and `u`, and stores the pending count.
-- A post with a complete set of likers has no set `u`.
local function write_post(post)
  if #post.changed == 0 then return end
  local likers, others = split_changed(post)
  if #likers > 0 then
    redis.call('SADD', post.l, unpack(likers))
    if post.in_u then redis.call('SREM', post.u, unpack(likers)) end
  end
  if #others > 0 then
    redis.call('SREM', post.l, unpack(others))
    if not post.complete then redis.call('SADD', post.u, unpack(others)) end
  end
  redis.call('HSET', post.c, 'p', post.p, 'k', post.k)
end

-- Reads the snapshot of an item: epoch, d, base, revision, actor likes, number of members (-1: not loaded), members.
-- `next` is the position of the next item.
local function read_snapshot(shard, args, at)
  local snapshot = {is_fresh = args[at] == shard.epoch and args[at + 1] == shard.acks,
    base = args[at + 2], revision = args[at + 3], actor_likes = args[at + 4] == '1', members = nil, next = at + 6}
  local members = tonumber(args[at + 5])
  if members >= 0 then
    snapshot.members = {}
    for i = 1, members do snapshot.members[i] = args[at + 5 + i] end
    snapshot.next = at + 6 + members
  end
  return snapshot
end

-- Reads the posts of all items. An item is: operator, post, actor, then '', 'degraded', or 'loaded' and a snapshot.
-- The first character of the operator is '+', '-' or '?'. A trace may follow it, which becomes a field of the entry.
-- Returns the posts by name, and the snapshots by the position of their item.
local function read_items(shard, args, first, last)
  local posts, snapshots, at = {}, {}, first
  while at <= last do
    local name, actor = args[at + 1], args[at + 2]
    local post = posts[name]
    if not post then
      post = read_post(shard, name)
      posts[name] = post
    end
    if actor ~= '' then post.actors[#post.actors + 1] = actor end
    if args[at + 3] == 'loaded' then
      snapshots[at] = read_snapshot(shard, args, at + 4)
      at = snapshots[at].next
    else at = at + 4 end
  end
  return posts, snapshots
end

-- Applies likes, unlikes and reads.
-- ARGV: queue limit (bytes), ttl (s), touch ('1': write even if nothing changes, for WAIT), then up to 1,000 items.
-- Returns {epoch, d, time (µs), last version, status, count, status, count, ...} or {'NEWEPOCH', candidate}.
local function submit(keys, args)
  local ver, epoch, name, d = unpack(redis.call('HMGET', keys[1], 'ver', 'life', 'name', 'd'))
  if not is_ours(name) then return new_epoch(keys[1]) end
  local prefix = prefix_of(keys[1])
  local shard = {prefix = prefix, queue = prefix .. 'q', version = tonumber(ver), epoch = epoch, acks = d,
    now_us = now_us(), is_full = queued_total > tonumber(args[1]), ttl_s = args[2], added = 0}
  local last = #args
  local posts, snapshots = read_items(shard, args, 4, last)
  local reply, size, at = {epoch, d, 0, 0, 0, 0}, 4, 4
  while at <= last do
    local snapshot = snapshots[at]
    reply[size + 1], reply[size + 2] =
      apply_item(shard, posts[args[at + 1]], args[at], args[at + 2], args[at + 3], snapshot)
    size, at = size + 2, snapshot and snapshot.next or at + 4
  end
  for _, post in pairs(posts) do write_post(post) end
  local version = format_integer(shard.version)
  if shard.added > 0 then add_queued_bytes(prefix, shard.added, entry_bytes_of(args[5], args[6])) end
  if shard.added > 0 or args[3] == '1' then redis.call('HSET', keys[1], 'ver', version) end
  -- The time never goes back, even if the clock does.
  reply[3], reply[4] = shard.version > shard.now_us and version or format_integer(shard.now_us), version
  return reply
end

-- Starts the epoch that Postgres has registered under this name.
-- ARGV: name, epoch, version. Returns 1, or 0 if the name is not the one on offer.
local function start_epoch(keys, args)
  local name, candidate, ver = unpack(redis.call('HMGET', keys[1], 'name', 'candidate', 'ver'))
  if is_ours(name) or candidate ~= args[1] or not is_ours(candidate) then return 0 end
  redis.call('HSET', keys[1], 'name', args[1], 'life', args[2],
    'ver', format_integer(math.max(tonumber(ver or 0), tonumber(args[3]))))
  redis.call('HINCRBY', keys[1], 'd', 1)
  redis.call('HDEL', keys[1], 'candidate')
  return 1
end

-- Ends an epoch that Postgres has fenced off while this server still owns the slot.
-- ARGV: epoch. Returns 1, or 0 if the shard is in another epoch.
local function end_epoch(keys, args)
  if redis.call('HGET', keys[1], 'life') ~= args[1] then return 0 end
  redis.call('HDEL', keys[1], 'name', 'candidate')
  return 1
end

-- Takes, renews or releases the lease of a shard.
-- ARGV: owner ('': no lease), lease (ms; 0 releases it).
-- Returns {epoch, leased, length, version of the first entry, dead letters, time (µs), bytes queued on this server}.
local function poll(keys, args)
  local epoch, name, owner, until_us = unpack(redis.call('HMGET', keys[1], 'life', 'name', 'lease', 'lease_until'))
  if not is_ours(name) then return new_epoch(keys[1]) end
  local now, lease_us = now_us(), args[2] * 1000
  local leased = owner == args[1]
  local left_us = tonumber(until_us or 0) - now
  if args[1] == '' then
    leased = false
  elseif lease_us == 0 then
    if leased then redis.call('HDEL', keys[1], 'lease', 'lease_until') end
    leased = false
  elseif (leased and left_us < lease_us / 2) or (not leased and (left_us <= 0 or left_us > lease_us)) then
    redis.call('HSET', keys[1], 'lease', args[1], 'lease_until', format_integer(now + lease_us))
    leased = true
  end
  local prefix = prefix_of(keys[1])
  local length, head = redis.call('XLEN', prefix .. 'q'), nil
  if length > 0 then head = redis.call('XRANGE', prefix .. 'q', '-', '+', 'COUNT', 1)[1] end
  estimate_queued_bytes(prefix, length, head)
  return {epoch, leased and 1 or 0, length, head and head[1] or '',
    redis.call('XLEN', prefix .. 'dead'), format_integer(now), format_integer(queued_total)}
end

local FIELD_NAMES = {'post', 'actor', 'op', 'weight', 'trace'}

-- People read dead letters, so their fields have whole names.
local function add_dead_letter(prefix, id, reason)
  local entry = redis.call('XRANGE', prefix .. 'q', id, id)[1]
  if not entry then return end
  local fields = entry[2]
  for i = 1, #fields, 2 do fields[i] = FIELD_NAMES[(i + 1) / 2] end
  redis.call('XADD', prefix .. 'dead', '*', 'id', id, 'reason', reason, unpack(fields))
end

-- Subtracts the acknowledged entries from a post, and stores its new base.
-- An invalidation is not cleared here, because it may be newer than the batch. The next call misses and loads again.
local function acknowledge_post(prefix, ttl_s, post, weight, entries, base, revision, is_dead)
  local c = prefix .. 'c:' .. post
  local r, p, k = unpack(redis.call('HMGET', c, 'r', 'p', 'k'))
  if not r then return end
  p, k = p - weight, k - entries
  if tonumber(revision) > tonumber(r) then redis.call('HSET', c, 'b', base, 'r', revision, 'p', p, 'k', k)
  else redis.call('HSET', c, 'p', p, 'k', k) end
  if is_dead then redis.call('HSET', c, 'e', '0') end
  if k == 0 then expire(prefix, post, ttl_s) end
end

-- Removes a stored batch from the stream.
-- ARGV: epoch, first id, last id, ttl (s), id of the dead letter or '', reason,
--   then post, weight, entries, base and revision of each post.
-- Returns 1, or 0 if the shard is in another epoch or the stream starts with another entry.
local function acknowledge(keys, args)
  local epoch, name = unpack(redis.call('HMGET', keys[1], 'life', 'name'))
  if not is_ours(name) or epoch ~= args[1] then return 0 end
  redis.call('HINCRBY', keys[1], 'd', 1)
  local prefix = prefix_of(keys[1])
  local head = redis.call('XRANGE', prefix .. 'q', '-', '+', 'COUNT', 1)[1]
  if not head or head[1] ~= args[2] then return 0 end
  local is_dead = args[5] ~= ''
  if is_dead then add_dead_letter(prefix, args[5], args[6]) end
  local last, sequence = string.match(args[3], '(%d+)-(%d+)')
  redis.call('XTRIM', prefix .. 'q', 'MINID', last .. '-' .. format_integer(sequence + 1))
  for at = 7, #args, 5 do
    acknowledge_post(prefix, args[4], args[at], args[at + 1], args[at + 2], args[at + 3], args[at + 4], is_dead)
  end
  estimate_queued_bytes(prefix, redis.call('XLEN', prefix .. 'q'), head)
  return 1
end

-- Marks a post as stale, because it was changed in Postgres outside the queue. Snapshots on their way are refused.
-- ARGV: post.
local function invalidate(keys, args)
  local name = redis.call('HGET', keys[1], 'name')
  if not is_ours(name) then return new_epoch(keys[1]) end
  redis.call('HINCRBY', keys[1], 'd', 1)
  local c = prefix_of(keys[1]) .. 'c:' .. args[1]
  if redis.call('EXISTS', c) == 1 then redis.call('HSET', c, 'e', '0') end
  return 1
end

redis.register_function('lw_set_like_@VERSION@', submit)
redis.register_function{function_name = 'lw_get_like_@VERSION@', callback = submit, flags = {'allow-oom'}}
redis.register_function{function_name = 'lw_start_epoch_@VERSION@', callback = start_epoch, flags = {'allow-oom'}}
redis.register_function{function_name = 'lw_end_epoch_@VERSION@', callback = end_epoch, flags = {'allow-oom'}}
redis.register_function{function_name = 'lw_poll_@VERSION@', callback = poll, flags = {'allow-oom'}}
redis.register_function{function_name = 'lw_acknowledge_@VERSION@', callback = acknowledge, flags = {'allow-oom'}}
redis.register_function{function_name = 'lw_invalidate_@VERSION@', callback = invalidate, flags = {'allow-oom'}}
