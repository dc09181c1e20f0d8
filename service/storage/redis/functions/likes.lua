#!lua name=likewise_@VERSION@
-- The like protocol inside Redis: one call is one shard, and atomic. Keys: docs/adr/0001 and ARCHITECTURE.md.
-- Every function takes one key, the shard's header `{tag}v`; the shard's other keys share its prefix `{tag}`.
-- Fields keep the names that release 0.1 stored: `life` is the epoch, `d` the number of acknowledged batches.

local run_id       -- of this server process: a promoted replica is another process, so it begins another epoch
local queued = {}  -- estimated bytes of the stream of each shard that this process has seen
local queued_total = 0

local function micros()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

local function digits(number) return string.format('%.0f', number) end

local function prefix_of(header) return string.sub(header, 1, -2) end

local function server()
  run_id = run_id or string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  return run_id
end

local function is_ours(name) return name and string.find(name, server(), 1, true) == 1 end

-- Proposes a name for the next epoch; callers that come meanwhile get the same one.
local function new_epoch(header)
  local candidate = redis.call('HGET', header, 'candidate')
  if not is_ours(candidate) then
    candidate = server() .. ':' .. digits(micros())
    redis.call('HSET', header, 'candidate', candidate)
  end
  return {'NEWEPOCH', candidate}
end

local function note_queued(prefix, bytes)
  queued_total = queued_total + bytes - (queued[prefix] or 0)
  queued[prefix] = bytes
end

local function estimate(prefix, entry_bytes)
  note_queued(prefix, redis.call('XLEN', prefix .. 'q') * entry_bytes)
end

local function expire(prefix, post, ttl)
  redis.call('EXPIRE', prefix .. 'c:' .. post, ttl)
  redis.call('EXPIRE', prefix .. 'l:' .. post, ttl)
  redis.call('EXPIRE', prefix .. 'u:' .. post, ttl)
end

-- Where `l` is complete there is no `u`.
local function persist(post)
  redis.call('PERSIST', post.c)
  redis.call('PERSIST', post.l)
  if not post.complete then redis.call('PERSIST', post.u) end
end

local LIKED, CHANGED, MISS, FULL, APPROXIMATE = 1, 2, 4, 8, 16

-- What a batch knows of one post: each thing is asked for once, however many of its items are of that post.
-- All fields are named here: a table that grows is allocated again. `liked` and `changed` are tables once there is need.
local function new_post(shard, name)
  local prefix = shard.prefix
  local c = prefix .. 'c:' .. name
  local b, p, k, e = unpack(redis.call('HMGET', c, 'b', 'p', 'k', 'e'))
  return {name = name, c = c, l = prefix .. 'l:' .. name, u = prefix .. 'u:' .. name,
    b = tonumber(b), p = tonumber(p), k = tonumber(k), e = e, stale = not b or (e ~= shard.epoch and k == '0'),
    actors = {}, liked = false, complete = false, changed = false}
end

local function install(shard, post, item)
  redis.call('UNLINK', post.l, post.u)
  redis.call('HSET', post.c, 'b', item.base, 'r', item.rev, 'p', 0, 'k', 0, 'e', shard.epoch)
  if item.members then redis.call('SADD', post.l, '*', unpack(item.members)) end
  expire(shard.prefix, post.name, shard.ttl)
  post.b, post.p, post.k, post.e, post.stale = tonumber(item.base), 0, 0, shard.epoch, false
end

-- post.liked: whether each actor of the batch likes it; nil where Redis can't know, as the set is not complete.
local function read_members(post)
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

-- What the caller loaded of an actor whom Redis could not know.
local function learn(shard, post, item)
  redis.call('SADD', item.known and post.l or post.u, item.actor)
  if post.k == 0 then expire(shard.prefix, post.name, shard.ttl) end
  post.liked[item.actor] = item.known
end

local function enqueue(shard, post, item, weight)
  shard.ver = math.max(shard.ver + 1, shard.now)
  shard.added_bytes = shard.added_bytes + 40 + #post.name + #item.actor
  redis.call('XADD', shard.prefix .. 'q', digits(shard.ver) .. '-0',
    'post', post.name, 'actor', item.actor, 'op', item.op, 'weight', weight, unpack(item.trace))
  if post.k == 0 then persist(post) end
  post.p, post.k = post.p + weight, post.k + 1
  post.changed = post.changed or {}
  post.changed[item.actor] = item.op
end

local function answer_one(shard, item)
  local post = item.post
  if post.stale then
    if not item.fresh then return MISS, 0 end
    install(shard, post, item)
  end
  if item.actor == '' then return 0, post.b + post.p end
  if not post.liked then read_members(post) end
  if post.liked[item.actor] == nil and item.fresh then learn(shard, post, item) end
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

-- Where the set is not complete, `u` says who took a like back.
local function move(post, from, into, actors)
  if #actors == 0 then return end
  if into == post.l or not post.complete then redis.call('SADD', into, unpack(actors)) end
  if from == post.l or not post.complete then redis.call('SREM', from, unpack(actors)) end
end

local function write_post(post)
  if not post.changed then return end
  local likers, others = {}, {}
  for actor, op in pairs(post.changed) do
    local side = op == '+' and likers or others
    side[#side + 1] = actor
  end
  move(post, post.u, post.l, likers)
  move(post, post.l, post.u, others)
  redis.call('HSET', post.c, 'p', post.p, 'k', post.k)
end

-- What an item was loaded with: epoch, d, base, rev, known, members (-1: not whole), ...; and where the next item is.
local function read_load(item, args, at, shard)
  item.fresh = args[at] == shard.epoch and args[at + 1] == shard.d
  item.base, item.rev, item.known = args[at + 2], args[at + 3], args[at + 4] == '1'
  local members = tonumber(args[at + 5])
  at = at + 6
  if members < 0 then return at end
  item.members = {}
  for i = 1, members do item.members[i] = args[at + i - 1] end
  return at + members
end

local UNTRACED = {}

-- The items in their order, and their posts by name. An item: op, post, actor, and '', 'degraded' or 'loaded' and a load.
-- What follows the op's one character is the submit's trace, which becomes a field of its entry.
local function read_items(args, first, shard)
  local items, posts = {}, {}
  local at = first
  while at <= #args do
    local name, actor, load = args[at + 1], args[at + 2], args[at + 3]
    local post = posts[name] or new_post(shard, name)
    posts[name] = post
    if actor ~= '' then post.actors[#post.actors + 1] = actor end
    local op, trace = args[at], UNTRACED
    if #op > 1 then op, trace = string.sub(op, 1, 1), {'trace', string.sub(op, 2)} end
    local item = {op = op, trace = trace, post = post, actor = actor, degraded = load == 'degraded'}
    items[#items + 1] = item
    at = at + 4
    if load == 'loaded' then at = read_load(item, args, at, shard) end
  end
  return items, posts
end

-- ARGV: queue_bytes, ttl (s), touch ('1' writes even if nothing changed, for WAIT), items: at most some thousand.
-- Answers {epoch, d, µs, last version, status, count, status, count, ...} or {'NEWEPOCH', candidate}.
local function submit(keys, args)
  local ver, epoch, name, d = unpack(redis.call('HMGET', keys[1], 'ver', 'life', 'name', 'd'))
  if not is_ours(name) then return new_epoch(keys[1]) end
  local shard = {prefix = prefix_of(keys[1]), ver = tonumber(ver), epoch = epoch, d = d, now = micros(),
    queue_bytes = tonumber(args[1]), ttl = args[2], added_bytes = 0}
  local items, posts = read_items(args, 4, shard)
  local answer = {epoch, d, 0, 0, 0, 0}
  for i, item in ipairs(items) do
    answer[2 * i + 3], answer[2 * i + 4] = answer_one(shard, item)
  end
  for _, post in pairs(posts) do write_post(post) end
  note_queued(shard.prefix, (queued[shard.prefix] or 0) + shard.added_bytes)
  local last = digits(shard.ver)
  if shard.added_bytes > 0 or args[3] == '1' then redis.call('HSET', keys[1], 'ver', last) end
  answer[3], answer[4] = shard.ver > shard.now and last or digits(shard.now), last
  return answer
end

-- ARGV: name, epoch, version. Begins the epoch that Postgres registered under this name.
local function start_epoch(keys, args)
  local name, candidate, ver = unpack(redis.call('HMGET', keys[1], 'name', 'candidate', 'ver'))
  if is_ours(name) or candidate ~= args[1] or not is_ours(candidate) then return 0 end
  redis.call('HSET', keys[1], 'name', args[1], 'life', args[2],
    'ver', digits(math.max(tonumber(ver or 0), tonumber(args[3]))))
  redis.call('HINCRBY', keys[1], 'd', 1)
  redis.call('HDEL', keys[1], 'candidate')
  return 1
end

-- ARGV: epoch. Ends a epoch that Postgres has fenced off, though this server still owns the slot.
local function end_epoch(keys, args)
  if redis.call('HGET', keys[1], 'life') ~= args[1] then return 0 end
  redis.call('HDEL', keys[1], 'name', 'candidate')
  return 1
end

-- ARGV: owner, lease (ms; 0 gives it back).
-- Answers {epoch, held, length, oldest version, dead letters, µs, bytes queued at this server}.
local function poll(keys, args)
  local epoch, name, owner, held_until = unpack(redis.call('HMGET', keys[1], 'life', 'name', 'lease', 'lease_until'))
  if not is_ours(name) then return new_epoch(keys[1]) end
  local now, lease = micros(), args[2] * 1000
  local ours = owner == args[1]
  local left = tonumber(held_until or 0) - now
  if args[1] == '' then
    ours = false
  elseif lease == 0 then
    if ours then redis.call('HDEL', keys[1], 'lease', 'lease_until') end
    ours = false
  elseif (ours and left < lease / 2) or (not ours and (left <= 0 or left > lease)) then
    redis.call('HSET', keys[1], 'lease', args[1], 'lease_until', digits(now + lease))
    ours = true
  end
  local prefix = prefix_of(keys[1])
  local head = redis.call('XRANGE', prefix .. 'q', '-', '+', 'COUNT', 1)[1]
  estimate(prefix, head and 40 + #head[2][2] + #head[2][4] or 0)
  return {epoch, ours and 1 or 0, redis.call('XLEN', prefix .. 'q'), head and head[1] or '',
    redis.call('XLEN', prefix .. 'dead'), digits(now), digits(queued_total)}
end

local function dead_letter(prefix, id, reason)
  local entry = redis.call('XRANGE', prefix .. 'q', id, id)[1]
  if not entry then return end
  local fields = entry[2]
  fields[#fields + 1] = 'reason'
  fields[#fields + 1] = reason
  redis.call('XADD', prefix .. 'dead', '*', 'id', id, unpack(fields))
end

-- A invalidate is not cleared here: what raised it may be newer than this batch. The next call misses and loads again.
local function acknowledge_post(prefix, ttl, post, weight, entries, base, rev, dead)
  local c = prefix .. 'c:' .. post
  local r, p, k = unpack(redis.call('HMGET', c, 'r', 'p', 'k'))
  if not r then return end
  p, k = p - weight, k - entries
  if tonumber(rev) > tonumber(r) then redis.call('HSET', c, 'b', base, 'r', rev, 'p', p, 'k', k)
  else redis.call('HSET', c, 'p', p, 'k', k) end
  if dead then redis.call('HSET', c, 'e', '0') end
  if k == 0 then expire(prefix, post, ttl) end
end

-- ARGV: epoch, first id, last id, ttl, dead id or '', reason, then post, weight, entries, base, rev for each post.
-- Answers 1, or 0 where the epoch or the head of the stream is another.
local function acknowledge(keys, args)
  local epoch, name = unpack(redis.call('HMGET', keys[1], 'life', 'name'))
  if not is_ours(name) or epoch ~= args[1] then return 0 end
  redis.call('HINCRBY', keys[1], 'd', 1)
  local prefix = prefix_of(keys[1])
  local head = redis.call('XRANGE', prefix .. 'q', '-', '+', 'COUNT', 1)[1]
  if not head or head[1] ~= args[2] then return 0 end
  if args[5] ~= '' then dead_letter(prefix, args[5], args[6]) end
  local last, sequence = string.match(args[3], '(%d+)-(%d+)')
  redis.call('XTRIM', prefix .. 'q', 'MINID', last .. '-' .. digits(sequence + 1))
  for at = 7, #args, 5 do
    acknowledge_post(prefix, args[4], args[at], args[at + 1], args[at + 2], args[at + 3], args[at + 4], args[5] ~= '')
  end
  estimate(prefix, 40 + #head[2][2] + #head[2][4])
  return 1
end

-- ARGV: post. Its base was changed in Postgres outside the queue; loads under way are refused.
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
