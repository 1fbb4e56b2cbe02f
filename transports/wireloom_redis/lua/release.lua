-- Gives leases up. KEYS: the set of those who would own, then leases
-- ARGV: who asks, 1 to own nothing more
if ARGV[2] == '1' then redis.call('ZREM', KEYS[1], ARGV[1]) end
for at = 2, #KEYS do
  if redis.call('GET', KEYS[at]) == ARGV[1] then redis.call('DEL', KEYS[at]) end
end
return 1
