-- Settles an entry by adding it to the dead letters: one step, so never lost or doubled.
-- KEYS: the entry's stream, the dead letters
-- ARGV: group, entry, 1 to delete it here, how many are kept (0: all), name and value of fields
-- Answers 0 where somebody else has settled the entry.
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
if ARGV[4] == '0' then
  redis.call('XADD', KEYS[2], '*', unpack(ARGV, 5))
else
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', unpack(ARGV, 5))
end
if ARGV[3] == '1' then redis.call('XDEL', KEYS[1], ARGV[2]) end
return 1
