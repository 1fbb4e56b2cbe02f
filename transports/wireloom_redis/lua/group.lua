-- Creates a group unless it is there, and remembers what its stream held before.
-- KEYS: stream, the groups' facts, the subscription's own stream
-- ARGV: group, first entry it gets ("new", "last" or an id to read after), 1 to create nothing
-- Answers the last id from before the group began, and whether it was created.
local last = '0-0'
if redis.call('EXISTS', KEYS[1]) == 1 then
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for field = 1, #info, 2 do
    if info[field] == 'last-generated-id' then last = info[field + 1] end
  end
  for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    for field = 1, #group, 2 do
      if group[field] == 'name' and group[field + 1] == ARGV[1] then
        if ARGV[3] ~= '1' then
          redis.pcall('XGROUP', 'CREATE', KEYS[3], ARGV[1], '0', 'MKSTREAM')
        end
        return {redis.call('HGET', KEYS[2], ARGV[1] .. ' ' .. KEYS[1]) or '0-0', 0}
      end
    end
  end
end
if ARGV[3] == '1' then
  return redis.error_reply('NOGROUP group ' .. ARGV[1] .. ' of ' .. KEYS[1] .. ' does not exist')
end
local start = ARGV[2]
if start == 'new' then
  start = '$'
elseif start == 'last' then
  local entry = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 2)
  start = entry[2] and entry[2][1] or '0'
end
redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], start, 'MKSTREAM')
redis.pcall('XGROUP', 'CREATE', KEYS[3], ARGV[1], '0', 'MKSTREAM')
redis.call('HSET', KEYS[2], ARGV[1] .. ' ' .. KEYS[1], last)
return {last, 1}
