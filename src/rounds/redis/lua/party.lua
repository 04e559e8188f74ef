-- Notes what a party says of itself, in place of what was noted of it, or removes it. ARGV: 1 its name, 2 what it says, or nothing, 3 its channel if
-- it can be asked, with the stream of what it is to be asked, 4 the version of consumers then. Returns whether that changed anything.
local changed
if ARGV[2] ~= '' then
  if ARGV[3] ~= '' then
    local made = redis.pcall('XGROUP', 'CREATE', heard_of(ARGV[3]), ARGV[3], '0', 'MKSTREAM')
    if type(made) == 'table' and made.err and not string.find(made.err, 'BUSYGROUP', 1, true) then return made end
  end
  changed = redis.call('HGET', parties, ARGV[1]) ~= ARGV[2] and 1 or 0
  redis.call('HSET', parties, ARGV[1], ARGV[2])
else
  changed = redis.call('HDEL', parties, ARGV[1])
end
if changed == 1 then redis.call('HSET', it, 'version', ARGV[4]) end
return changed
