-- Notes by which rules a broker opens rounds. ARGV: 1 their number, 2 their text, 3 whether they replace others. Returns the text of those
-- that it has if they are others and are not replaced, else false.
local its = redis.call('HGET', it, 'rules')
if its and its ~= ARGV[1] and ARGV[3] == '0' then return redis.call('HGET', texts, its) or '' end
local there = redis.call('HGET', texts, ARGV[1])
if there and there ~= ARGV[2] then return redis.error_reply('DIGEST other rules have the same') end
redis.call('HSET', texts, ARGV[1], ARGV[2])
redis.call('ZADD', noted, whole(now()), ARGV[1])
redis.call('HSET', it, 'rules', ARGV[1])
return false
