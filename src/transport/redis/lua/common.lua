-- Stands before every script of a subscriber: whose a pending entry is, and who still needs it.
-- KEYS: the stream, what comes again and when, what was heard alone. ARGV: the group, the consumer, whether the stream is kept as a history.
local stream, due, marks = KEYS[1], KEYS[2], KEYS[3]
local group, me, keep = ARGV[1], ARGV[2], ARGV[3] == '1'
-- The consumer that holds what waits for another attempt.
local LATER = 'convoke:later'

-- Milliseconds since 1970, by the server's clock alone.
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Who has an entry, how many times it was delivered, and how long ago.
local function owner(id)
  local found = redis.call('XPENDING', stream, group, id, id, 1)[1]
  if found then return found[2], found[4], found[3] end
end

-- Reads `id` or `id#count`: a receipt is good as long as the entry is ours and was not delivered since.
-- 1: it is; 0: somebody else has it; -1: nobody, it is settled; -2: it waits for another attempt.
local function ours(receipt)
  local id, count = receipt, 1
  local at = string.find(receipt, '#', 1, true)
  if at then id, count = string.sub(receipt, 1, at - 1), tonumber(string.sub(receipt, at + 1)) end
  local who, times = owner(id)
  if who == me and times == count then return id, 1 end
  if not who then return id, -1 end
  if who == LATER then return id, -2 end
  return id, 0
end

-- Whether somebody has deleted an entry, though it is pending.
local function gone(id)
  return #redis.call('XRANGE', stream, id, id) == 0
end

-- Whether one part of an id is less than another: as text, for they have 64 bits and a number here has 53.
local function below(a, b)
  if #a ~= #b then return #a < #b end
  return a < b
end

-- Whether an entry comes before another.
local function before(a, b)
  local a1, a2 = string.match(a, '^(%d+)-(%d+)$')
  local b1, b2 = string.match(b, '^(%d+)-(%d+)$')
  if a1 ~= b1 then return below(a1, b1) end
  return below(a2, b2)
end

-- Deletes entries that this group is done with, unless another group has still to see or to settle them.
local function forget(ids)
  if keep then return end
  local others = {}
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    if info[2] ~= group then others[#others + 1] = { name = info[2], pending = info[6], last = info[8] } end
  end
  local free = ids
  if #others > 0 then
    free = {}
    for _, id in ipairs(ids) do
      local needed = false
      for _, other in ipairs(others) do
        needed = before(other.last, id)
          or (other.pending > 0 and #redis.call('XPENDING', stream, other.name, id, id, 1) > 0)
        if needed then break end
      end
      if not needed then free[#free + 1] = id end
    end
  end
  if #free > 0 then redis.call('XDEL', stream, unpack(free)) end
end
