-- Keeps or takes leases. KEYS: the set of those who would own, then leases
-- ARGV: who asks, ms a lease lasts, then for each lease 1 to take it if it is free, 0 only to keep it
-- Answers how many would own, then 1 for each lease that is the asker's now, else 0.
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('PEXPIRE', KEYS[1], 2 * ARGV[2])
local answer = {redis.call('ZCARD', KEYS[1])}
for at = 2, #KEYS do
  local owner = redis.call('GET', KEYS[at])
  local mine = owner == ARGV[1] or (not owner and ARGV[at + 1] == '1')
  if mine then redis.call('SET', KEYS[at], ARGV[1], 'PX', ARGV[2]) end
  answer[at] = mine and 1 or 0
end
return answer
