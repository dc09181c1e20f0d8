#!lua flags=allow-oom
-- Notes what a process tells of itself, at the time of this server. Even a full Redis may: that is when it is needed.
-- KEYS[1] the hash · ARGV: the process' field, what it tells, seconds for which it is kept
local now = redis.call('TIME')
local us = now[1] * 1000000 + now[2]
local kept_us = ARGV[3] * 1000000
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', us) .. ' ' .. ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])

-- Fields have no expiry of their own before Redis 7.4: one writer in a while drops those of dead processes.
local swept = tonumber(redis.call('HGET', KEYS[1], 'swept') or 0) or 0
if math.abs(us - swept) < kept_us then return end
redis.call('HSET', KEYS[1], 'swept', string.format('%.0f', us))
local all = redis.call('HGETALL', KEYS[1])
for at = 1, #all, 2 do
  local told = tonumber(string.match(all[at + 1], '^%d+') or 0)
  if math.abs(us - told) > kept_us then redis.call('HDEL', KEYS[1], all[at]) end -- ahead, where the clock went back
end
