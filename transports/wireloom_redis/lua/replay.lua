-- Moves a dead letter to its subscription's own stream. KEYS: the dead letters, that stream
-- ARGV: entry, name and value of fields. Answers 0 where it is gone already.
local groups = redis.pcall('XINFO', 'GROUPS', KEYS[2])
if groups.err or #groups == 0 then
  return redis.error_reply('NOGROUP nobody reads ' .. KEYS[2])
end
if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('XADD', KEYS[2], '*', unpack(ARGV, 2))
return 1
