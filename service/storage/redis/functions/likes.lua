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

local function format_integer(number) return string.format('%.0f', number) end

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

local function estimate_queued_bytes(prefix, entry_bytes)
  set_queued_bytes(prefix, redis.call('XLEN', prefix .. 'q') * entry_bytes)
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
-- All fields are set here, because Lua allocates a growing table again. `liked` and `changed` become tables on demand.
local function read_post(shard, name)
  local prefix = shard.prefix
  local c = prefix .. 'c:' .. name
  local b, p, k, e = unpack(redis.call('HMGET', c, 'b', 'p', 'k', 'e'))
  return {name = name, c = c, l = prefix .. 'l:' .. name, u = prefix .. 'u:' .. name,
    b = tonumber(b), p = tonumber(p), k = tonumber(k), e = e, stale = not b or (e ~= shard.epoch and k == '0'),
    actors = {}, liked = false, complete = false, changed = false}
end

-- Stores the snapshot of a post that was not in Redis, or was stale.
local function install_snapshot(shard, post, item)
  redis.call('UNLINK', post.l, post.u)
  redis.call('HSET', post.c, 'b', item.base, 'r', item.revision, 'p', 0, 'k', 0, 'e', shard.epoch)
  if item.members then redis.call('SADD', post.l, '*', unpack(item.members)) end
  expire(shard.prefix, post.name, shard.ttl_s)
  post.b, post.p, post.k, post.e, post.stale = tonumber(item.base), 0, 0, shard.epoch, false
end

-- Sets post.liked[actor] of each actor of the call. It stays nil if Redis cannot know: the set is not complete.
-- `l` has likers, and the member '*' if it has all of them. `u` has actors who are known not to like the post.
local function read_actors(post)
  local found = redis.call('SMISMEMBER', post.l, '*', unpack(post.actors))
  local absent = {}
  post.liked, post.complete = {}, found[1] == 1
  for i, actor in ipairs(post.actors) do
    if found[i + 1] == 1 then post.liked[actor] = true
    elseif post.complete then post.liked[actor] = false
    else absent[#absent + 1] = actor end
  end
  if #absent == 0 then return end
  found = redis.call('SMISMEMBER', post.u, unpack(absent))
  for i, actor in ipairs(absent) do
    if found[i] == 1 then post.liked[actor] = false end
  end
end

-- Stores the loaded state of one actor.
local function install_actor(shard, post, item)
  redis.call('SADD', item.actor_likes and post.l or post.u, item.actor)
  if post.k == 0 then expire(shard.prefix, post.name, shard.ttl_s) end
  post.liked[item.actor] = item.actor_likes
end

local function enqueue(shard, post, item, weight)
  shard.version = math.max(shard.version + 1, shard.now_us)
  shard.added_bytes = shard.added_bytes + entry_bytes_of(post.name, item.actor)
  redis.call('XADD', shard.prefix .. 'q', format_integer(shard.version) .. '-0',
    'post', post.name, 'actor', item.actor, 'op', item.op, 'weight', weight, unpack(item.trace))
  if post.k == 0 then persist(post) end
  post.p, post.k = post.p + weight, post.k + 1
  post.changed = post.changed or {}
  post.changed[item.actor] = item.op
end

-- Applies one item. Returns its status and the count.
local function apply_item(shard, item)
  local post = item.post
  if post.stale then
    if not item.is_fresh then return MISS, 0 end
    install_snapshot(shard, post, item)
  end
  if item.actor == '' then return 0, post.b + post.p end
  if not post.liked then read_actors(post) end
  if post.liked[item.actor] == nil and item.is_fresh then install_actor(shard, post, item) end
  local known, liked = post.liked[item.actor] ~= nil, post.liked[item.actor] or false
  if not known and not item.degraded then return MISS, 0 end
  local status = known and 0 or APPROXIMATE
  local wanted = item.op == '+'
  if item.op == '?' or (known and post.e == shard.epoch and liked == wanted) then
    return status + (liked and LIKED or 0), post.b + post.p
  end
  if queued_total > shard.queue_bytes then return FULL, 0 end
  enqueue(shard, post, item, liked == wanted and 0 or (wanted and 1 or -1))
  post.liked[item.actor] = wanted
  return status + (liked ~= wanted and CHANGED or 0) + (wanted and LIKED or 0), post.b + post.p
end

-- Moves actors between `l` and `u`. A post with a complete set of likers has no set `u`.
local function move_actors(post, from, into, actors)
  if #actors == 0 then return end
  if into == post.l or not post.complete then redis.call('SADD', into, unpack(actors)) end
  if from == post.l or not post.complete then redis.call('SREM', from, unpack(actors)) end
end

local function write_post(post)
  if not post.changed then return end
  local likers, others = {}, {}
  for actor, op in pairs(post.changed) do
    local actors = op == '+' and likers or others
    actors[#actors + 1] = actor
  end
  move_actors(post, post.u, post.l, likers)
  move_actors(post, post.l, post.u, others)
  redis.call('HSET', post.c, 'p', post.p, 'k', post.k)
end

-- Reads the snapshot of an item: epoch, d, base, revision, actor likes, number of members (-1: not loaded), members.
-- Returns the position of the next item.
local function read_snapshot(item, args, at, shard)
  item.is_fresh = args[at] == shard.epoch and args[at + 1] == shard.acks
  item.base, item.revision, item.actor_likes = args[at + 2], args[at + 3], args[at + 4] == '1'
  local members = tonumber(args[at + 5])
  at = at + 6
  if members < 0 then return at end
  item.members = {}
  for i = 1, members do item.members[i] = args[at + i - 1] end
  return at + members
end

local UNTRACED = {}

-- Returns the items in order, and their posts by name.
-- An item is: operator, post, actor, then '', 'degraded', or 'loaded' and a snapshot.
-- The first character of the operator is '+', '-' or '?'. A trace may follow it, which becomes a field of the entry.
local function read_items(args, first, shard)
  local items, posts = {}, {}
  local at = first
  while at <= #args do
    local name, actor, load = args[at + 1], args[at + 2], args[at + 3]
    local post = posts[name] or read_post(shard, name)
    posts[name] = post
    if actor ~= '' then post.actors[#post.actors + 1] = actor end
    local op, trace = args[at], UNTRACED
    if #op > 1 then op, trace = string.sub(op, 1, 1), {'trace', string.sub(op, 2)} end
    local item = {op = op, trace = trace, post = post, actor = actor, degraded = load == 'degraded'}
    items[#items + 1] = item
    at = at + 4
    if load == 'loaded' then at = read_snapshot(item, args, at, shard) end
  end
  return items, posts
end

-- Applies likes, unlikes and reads.
-- ARGV: queue limit (bytes), ttl (s), touch ('1': write even if nothing changes, for WAIT), then up to 1,000 items.
-- Returns {epoch, d, time (µs), last version, status, count, status, count, ...} or {'NEWEPOCH', candidate}.
local function submit(keys, args)
  local ver, epoch, name, d = unpack(redis.call('HMGET', keys[1], 'ver', 'life', 'name', 'd'))
  if not is_ours(name) then return new_epoch(keys[1]) end
  local shard = {prefix = prefix_of(keys[1]), version = tonumber(ver), epoch = epoch, acks = d, now_us = now_us(),
    queue_bytes = tonumber(args[1]), ttl_s = args[2], added_bytes = 0}
  local items, posts = read_items(args, 4, shard)
  local reply = {epoch, d, 0, 0, 0, 0}
  for i, item in ipairs(items) do
    reply[2 * i + 3], reply[2 * i + 4] = apply_item(shard, item)
  end
  for _, post in pairs(posts) do write_post(post) end
  set_queued_bytes(shard.prefix, (queued[shard.prefix] or 0) + shard.added_bytes)
  local last = format_integer(shard.version)
  if shard.added_bytes > 0 or args[3] == '1' then redis.call('HSET', keys[1], 'ver', last) end
  -- The time never goes back, even if the clock does.
  reply[3], reply[4] = shard.version > shard.now_us and last or format_integer(shard.now_us), last
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
  local head = redis.call('XRANGE', prefix .. 'q', '-', '+', 'COUNT', 1)[1]
  estimate_queued_bytes(prefix, head and entry_bytes_of(head[2][2], head[2][4]) or 0)
  return {epoch, leased and 1 or 0, redis.call('XLEN', prefix .. 'q'), head and head[1] or '',
    redis.call('XLEN', prefix .. 'dead'), format_integer(now), format_integer(queued_total)}
end

local function add_dead_letter(prefix, id, reason)
  local entry = redis.call('XRANGE', prefix .. 'q', id, id)[1]
  if not entry then return end
  local fields = entry[2]
  fields[#fields + 1] = 'reason'
  fields[#fields + 1] = reason
  redis.call('XADD', prefix .. 'dead', '*', 'id', id, unpack(fields))
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
  estimate_queued_bytes(prefix, entry_bytes_of(head[2][2], head[2][4]))
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
