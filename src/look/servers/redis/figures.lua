-- Says how full a stream is. KEYS: the stream, that of its dead letters, what is delayed. Returns nothing if there is no such stream; else
-- its length, how many are delayed and dead (-1: nobody can tell), and of each group: its name, how many it has not been given (-1: the
-- server does not know), how many wait for another attempt, how many are lent, and for how many milliseconds the first has been ready.
local stream, dead, delayed = KEYS[1], KEYS[2], KEYS[3]
if redis.call('TYPE', stream).ok ~= 'stream' then return false end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function count(command, key)
  local answer = redis.pcall(command, key)
  if type(answer) == 'table' then return -1 end
  return answer
end

local groups = {}
for _, info in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
  local name, pending, last, waiting = info[2], info[6], info[8], info[12] or -1
  local later, age = 0, -1
  if pending > 0 then
    for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', stream, name)) do
      if consumer[2] == 'convoke:later' then later = consumer[4] end
    end
  end
  local first = redis.call('XRANGE', stream, '(' .. last, '+', 'COUNT', 1)[1]
  if first then
    age = math.max(0, now - tonumber(string.match(first[1], '^%d+')))
  else
    waiting = 0
  end
  groups[#groups + 1] = { name, waiting, later, pending - later, age }
end
return { redis.call('XLEN', stream), count('ZCARD', delayed), count('XLEN', dead), groups }
