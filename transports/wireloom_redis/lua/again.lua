-- Settles an entry by delivering it to its subscription again: one step, so never lost or doubled.
-- KEYS: the entry's stream, the stream it goes to, what waits for that
-- ARGV: group, entry, 1 to delete it here, delay in ms, name and value of fields
-- Answers 0 where somebody else has settled the entry.
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
if ARGV[4] == '0' then
  redis.call('XADD', KEYS[2], '*', unpack(ARGV, 5))
else
  local now = redis.call('TIME')
  local due = now[1] * 1000 + math.floor(now[2] / 1000) + ARGV[4]
  redis.call('ZADD', KEYS[3], due, cmsgpack.pack({KEYS[1] .. ARGV[2], unpack(ARGV, 5)}))
end
if ARGV[3] == '1' then redis.call('XDEL', KEYS[1], ARGV[2]) end
return 1
