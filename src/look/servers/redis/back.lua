-- Takes a dead letter away, and puts it back into its stream if it is given one, in one step. KEYS: the stream of the dead letters, and
-- that of the others. ARGV: 1 the id of the letter, 2 after how many milliseconds one that is lent is nobody's, from 3 the fields that it
-- has there; none if it is discarded. Returns 1 if it is done, 0 if there is no such letter or somebody has it, -1 if there is no stream.
local dead, stream, id, lease = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2])
if redis.call('TYPE', dead).ok ~= 'stream' then return 0 end
if #redis.call('XRANGE', dead, id, id) == 0 then return 0 end
local groups = redis.call('XINFO', 'GROUPS', dead)
for _, info in ipairs(groups) do
  local found = redis.call('XPENDING', dead, info[2], id, id, 1)[1]
  if found and found[2] ~= 'convoke:later' and found[3] < lease then return 0 end
end
if #ARGV > 2 then
  if redis.call('TYPE', stream).ok ~= 'stream' then return -1 end
  redis.call('XADD', stream, '*', unpack(ARGV, 3))
end
for _, info in ipairs(groups) do redis.call('XACK', dead, info[2], id) end
redis.call('XDEL', dead, id)
return 1
