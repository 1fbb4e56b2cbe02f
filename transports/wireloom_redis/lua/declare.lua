-- Looks at a stream and its limits, or sees that both are as wanted.
-- KEYS: stream, the limits of all streams. ARGV: limits as text, 1 to change what differs
-- Answers the type of what was there, and the limits that were known, or "".
local found = redis.call('TYPE', KEYS[1]).ok
local known = redis.call('HGET', KEYS[2], KEYS[1]) or ''
if ARGV[2] == '1' and (found == 'none' or found == 'stream') then
  if found == 'none' then
    redis.call('XGROUP', 'CREATE', KEYS[1], 'declaring', '$', 'MKSTREAM')
    redis.call('XGROUP', 'DESTROY', KEYS[1], 'declaring')
  end
  if known ~= ARGV[1] then redis.call('HSET', KEYS[2], KEYS[1], ARGV[1]) end
end
return {found, known}
