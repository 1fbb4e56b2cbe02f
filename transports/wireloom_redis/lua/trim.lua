-- Trims a stream to its limits, but not past what a group has not finished.
-- KEYS: stream. ARGV: age in ms (0: any), entries (0: any). Answers how many were dropped, and the
-- name of the group that holds back more, or "".
if redis.call('EXISTS', KEYS[1]) == 0 then return {0, ''} end
local function place(id)
  local ms, seq = string.match(id, '(%d+)-(%d+)')
  return tonumber(ms), tonumber(seq)
end
local function earlier(a, b)
  local ams, aseq = place(a)
  local bms, bseq = place(b)
  return ams < bms or (ams == bms and aseq < bseq)
end
local now = redis.call('TIME')
local cut = '0-0'
if ARGV[1] ~= '0' then cut = string.format('%.0f-0', math.max(0, now[1] * 1000 - ARGV[1])) end
if ARGV[2] ~= '0' then
  local excess = redis.call('XLEN', KEYS[1]) - ARGV[2]
  if excess > 0 then
    local old = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', math.min(excess, 1000) + 1)
    if earlier(cut, old[#old][1]) then cut = old[#old][1] end
  end
end
local wanted, holder = cut, ''
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local facts = {}
  for field = 1, #group, 2 do facts[group[field]] = group[field + 1] end
  local needed = facts['last-delivered-id']
  if facts['pending'] > 0 then needed = redis.call('XPENDING', KEYS[1], facts['name'])[2] end
  if earlier(needed, cut) then cut, holder = needed, facts['name'] end
end
if cut == '0-0' then return {0, holder} end
return {redis.call('XTRIM', KEYS[1], 'MINID', '=', cut), cut == wanted and '' or holder}
