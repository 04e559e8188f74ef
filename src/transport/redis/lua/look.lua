-- Looks for what is due: delayed packets become entries; what waited for another attempt, and what the dead have left, is
-- lent to the caller. KEYS[4]: the delayed packets. ARGV: 4 the lease in milliseconds, 5 how many, 6 whether to look after
-- the dead. Returns the milliseconds until something else is due (-1: nothing), and id, attempt, fields of
-- each, and 1 if it was heard alone. What a server that is full does not take waits.
local lease, room, time = tonumber(ARGV[4]), tonumber(ARGV[5]), now()
local out = {}
local marked = redis.call('EXISTS', marks) == 1

-- Counts as another delivery.
local function claim(id, count)
  local entry = redis.call('XCLAIM', stream, group, me, 0, id)[1]
  if entry and entry[1] then
    out[#out + 1] = { entry[1], count + 1, entry[2], marked and redis.call('SISMEMBER', marks, id) or 0 }
  else
    -- Somebody has deleted the entry.
    redis.call('XACK', stream, group, id)
    redis.call('SREM', marks, id)
  end
end

local full = false
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', time, 'LIMIT', 0, 100)) do
  local good, fields = pcall(cmsgpack.unpack, member)
  if not good or type(fields) ~= 'table' or #fields < 3 or #fields % 2 == 0 then fields = { '', 'body', member } end
  local added = redis.pcall('XADD', stream, '*', unpack(fields, 2))
  if type(added) == 'table' and added.err then
    full = true
    break
  end
  redis.call('ZREM', KEYS[4], member)
end

if redis.call('EXISTS', stream) == 1 then
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', time, 'LIMIT', 0, room)) do
    local who, count, idle = owner(id)
    redis.call('ZREM', due, id)
    -- It waited, or a lease longer than usual is over; else somebody else has taken it.
    if who == LATER or (who and idle >= lease) then claim(id, count) end
  end

  if ARGV[6] == '1' then
    -- What somebody else has acknowledged.
    if marked then
      for _, id in ipairs(redis.call('SMEMBERS', marks)) do
        if not owner(id) then redis.call('SREM', marks, id) end
      end
    end
    local waiting = redis.call('ZCARD', due)
    for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
      local name, pending, idle = info[2], info[4], info[6]
      if name == LATER then
        -- Somebody has deleted the times at which these are due.
        if pending > waiting then
          for _, found in ipairs(redis.call('XPENDING', stream, group, '-', '+', 1000, LATER)) do
            redis.pcall('ZADD', due, 'NX', time, found[1])
          end
        end
      elseif pending > 0 then
        if #out < room then
          local most = room - #out + math.min(waiting, 1000)
          for _, found in ipairs(redis.call('XPENDING', stream, group, 'IDLE', lease, '-', '+', most, name)) do
            local longer = redis.call('ZSCORE', due, found[1])
            if #out < room and not (longer and tonumber(longer) > time) then claim(found[1], found[4]) end
          end
        end
      elseif idle > 2 * lease and name ~= me and string.sub(name, 1, 8) == 'convoke-' then
        redis.call('XGROUP', 'DELCONSUMER', stream, group, name)
      end
    end
  end
end

local soonest = -1
for _, key in ipairs({ due, KEYS[4] }) do
  local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  if first[2] and not (full and key == KEYS[4]) then
    local wait = math.max(0, math.ceil(tonumber(first[2]) - time))
    if soonest < 0 or wait < soonest then soonest = wait end
  end
end
return { soonest, out }
