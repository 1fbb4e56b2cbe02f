-- Removes a consumer that holds nothing, and those of processes that are long gone.
-- KEYS: stream. ARGV: group, consumer, ms after which one that holds nothing counts as gone
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local facts = {}
  for field = 1, #consumer, 2 do facts[consumer[field]] = consumer[field + 1] end
  if facts['pending'] == 0 and (facts['name'] == ARGV[2] or facts['idle'] > tonumber(ARGV[3])) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], facts['name'])
  end
end
return 1
