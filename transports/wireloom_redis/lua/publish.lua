-- Stores an event unless its id was stored within the window, and has it wait if it is due later.
-- KEYS: stream, what remembers the id, what waits for the stream
-- ARGV: window in ms (0: none), delay in ms, 1 to refuse to create the stream, name and value of fields
-- Answers the entry's id; "" where it waits; nil for a duplicate.
local fresh = ARGV[1] == '0' or redis.call('SET', KEYS[2], '', 'NX', 'PX', ARGV[1])
if not fresh then return false end
local answer
if ARGV[2] ~= '0' then
  local now = redis.call('TIME')
  local due = now[1] * 1000 + math.floor(now[2] / 1000) + ARGV[2]
  answer = redis.pcall('ZADD', KEYS[3], due, cmsgpack.pack({KEYS[2], unpack(ARGV, 4)}))
  if type(answer) == 'number' then return '' end
elseif ARGV[3] == '1' then
  answer = redis.pcall('XADD', KEYS[1], 'NOMKSTREAM', '*', unpack(ARGV, 4))
  if not answer then answer = {err = 'NOSTREAM no such stream, and it must not be created'} end
else
  answer = redis.pcall('XADD', KEYS[1], '*', unpack(ARGV, 4))
end
if type(answer) == 'table' and answer.err and ARGV[1] ~= '0' then redis.call('DEL', KEYS[2]) end
return answer
