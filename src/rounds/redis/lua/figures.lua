-- Counts rounds. Returns how many are open, awaited, aside and over, the time, and when the longest due was to be looked at, or false.
local first = false
for _, rules in ipairs(redis.call('SMEMBERS', active)) do
  local look = redis.call('ZRANGE', look_of(rules), 0, 0, 'WITHSCORES')[2]
  if look and (not first or tonumber(look) < tonumber(first)) then first = look end
end
return {
  redis.call('ZCARD', is_of(0)), redis.call('ZCARD', is_of(1)), redis.call('ZCARD', is_of(2)), redis.call('ZCARD', over),
  whole(now()), first,
}
