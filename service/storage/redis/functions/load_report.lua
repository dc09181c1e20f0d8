#!lua flags=allow-oom
-- Store the load report of one process, with the time of this server.
-- A full Redis must take reports too, because the autoscaler needs them most then.
-- KEYS[1]: the hash of reports. ARGV: the field of the process, its report, seconds for which a report is kept.
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local kept_us = ARGV[3] * 1000000
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now_us) .. ' ' .. ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])

-- Fields cannot expire before Redis 7.4. Once per `kept_us`, a writer removes the reports of dead processes.
local swept_us = tonumber(redis.call('HGET', KEYS[1], 'swept') or 0) or 0
if math.abs(now_us - swept_us) < kept_us then return end
redis.call('HSET', KEYS[1], 'swept', string.format('%.0f', now_us))
local fields = redis.call('HGETALL', KEYS[1])
for at = 1, #fields, 2 do
  local reported_us = tonumber(string.match(fields[at + 1], '^%d+') or 0)
  -- A report from the future was written before the clock went back.
  if math.abs(now_us - reported_us) > kept_us then redis.call('HDEL', KEYS[1], fields[at]) end
end
