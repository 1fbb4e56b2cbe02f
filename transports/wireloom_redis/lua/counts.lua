-- Answers how often each entry was delivered. KEYS: stream. ARGV: group, entries
local counts = {}
for at = 2, #ARGV do
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[at], ARGV[at], 1)
  counts[at - 1] = pending[1] and pending[1][4] or 0
end
return counts
