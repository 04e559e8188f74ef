-- Says who reads a stream. KEYS: the stream. Returns nothing if there is no such stream; else of each consumer of each group: the group,
-- its name, how many entries it has, and for how many milliseconds it has asked for nothing.
local stream = KEYS[1]
if redis.call('TYPE', stream).ok ~= 'stream' then return false end
local all = {}
for _, group in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
  for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group[2])) do
    if consumer[2] ~= 'convoke:later' then
      all[#all + 1] = { group[2], consumer[2], consumer[4], consumer[6] }
    end
  end
end
return all
