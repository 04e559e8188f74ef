-- Keeps a packet until it is due. KEYS[1]: the delayed packets, KEYS[2]: the stream. ARGV: 1 milliseconds, 2 whether the stream
-- may be created, 3 a token that makes it unlike any other, from 4 the fields.
if ARGV[2] == '0' and redis.call('EXISTS', KEYS[2]) == 0 then return false end
local time = redis.call('TIME')
local at = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[1])
redis.call('ZADD', KEYS[1], 'NX', at, cmsgpack.pack({ unpack(ARGV, 3) }))
return 1
