-- Deletes rounds that have been over for long, the oldest first. ARGV: 1 for how long, 2 how many at most. Returns how many it were.
local until_then = whole(now() - tonumber(ARGV[1]))
local old = redis.call('ZRANGEBYSCORE', over, '-inf', until_then, 'LIMIT', 0, ARGV[2])
for _, id in ipairs(old) do
  local key = redis.call('HGET', round_of(id), 'key')
  redis.call('ZREM', over, id)
  redis.call('DEL', round_of(id), rows_of(id))
  if key then
    redis.call('ZREM', numbers_of(key), id)
    if redis.call('HGET', key_of(key), 'last') == id then redis.call('HDEL', key_of(key), 'last') end
    if redis.call('EXISTS', numbers_of(key)) == 0 then redis.call('DEL', key_of(key)) end
  end
end
return #old
