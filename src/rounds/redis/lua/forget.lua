-- Deletes rules that nobody needs: by which the broker does not open rounds now, by which no round goes that is not over, and that nobody has
-- enrolled for long. ARGV: 1 for how long. Returns their numbers.
local until_then, its, needed = whole(now() - tonumber(ARGV[1])), redis.call('HGET', it, 'rules'), {}
for _, rules in ipairs(redis.call('SMEMBERS', active)) do needed[rules] = true end
for _, id in ipairs(redis.call('ZRANGE', is_of(2), 0, -1)) do
  local rules = redis.call('HGET', round_of(id), 'rules')
  if rules then needed[rules] = true end
end

local gone = {}
for _, rules in ipairs(redis.call('ZRANGEBYSCORE', noted, '-inf', until_then)) do
  if rules ~= its and not needed[rules] then
    redis.call('ZREM', noted, rules)
    redis.call('HDEL', texts, rules)
    gone[#gone + 1] = rules
  end
end
return gone
