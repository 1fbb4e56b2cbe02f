-- Adds what is due to its stream. KEYS: pairs of what waits and the stream it waits for.
-- Answers the ms until the next one is due, or -1, then the number of each pair that got something.
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local nearest, moved = -1, {}
for pair = 1, #KEYS, 2 do
  local members = redis.call('ZRANGE', KEYS[pair], '-inf', now, 'BYSCORE', 'LIMIT', 0, 100)
  for _, member in ipairs(members) do
    local fields = cmsgpack.unpack(member)
    local added = redis.pcall('XADD', KEYS[pair + 1], '*', unpack(fields, 2))
    if type(added) == 'string' then redis.call('ZREM', KEYS[pair], member) end
  end
  if #members > 0 then moved[#moved + 1] = (pair - 1) / 2 end
  local first = redis.call('ZRANGE', KEYS[pair], 0, 0, 'WITHSCORES')
  if first[2] then
    local wait = math.max(1, first[2] - now)
    if nearest < 0 or wait < nearest then nearest = wait end
  end
end
return {nearest, unpack(moved)}
