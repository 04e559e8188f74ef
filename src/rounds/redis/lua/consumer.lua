-- Adds a consumer, with the stream of what it is to hear, or removes it. ARGV: 1 its name, 2 whether it is added, 3 the version of consumers then. Returns whether that
-- changed anything.
local changed
if ARGV[2] == '1' then
  local made = redis.pcall('XGROUP', 'CREATE', heard_of(ARGV[1]), ARGV[1], '0', 'MKSTREAM')
  if type(made) == 'table' and made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then return made end
  changed = redis.call('SADD', consumers, ARGV[1])
else
  changed = redis.call('SREM', consumers, ARGV[1])
end
if changed == 1 then redis.call('HSET', it, 'version', ARGV[3]) end
return changed
