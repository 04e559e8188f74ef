-- Shows what there is at places. ARGV: 1 the tag of the broker, then two for each place: `k` and a key, or `r` and the number of a
-- round. Returns the time, how often consumers were written and who they are, the rules, and the places: key, version, the number of
-- the round that is not over, the one that a new one would have, the round, its rows, and the number of the last one that is over, and
-- that. A round that is over is false, and all of it if the broker is another one.
if redis.call('HGET', it, 'tag') ~= ARGV[1] then return false end

local function at(key, id)
  local state = redis.call('HMGET', key_of(key), 'version', 'living', 'last')
  local living, last = state[2], state[3]
  if id and id ~= living then return false end
  local line, rows, number = {}, {}, '0'
  if living then
    line = line_of(living)
    -- Somebody may have deleted it.
    if not line[1] then living, line = false, {} end
  end
  if living then
    rows = redis.call('LRANGE', rows_of(living), 0, -1)
    learn(line[3])
  else
    if id then return false end
    number = whole(redis.call('INCR', last_number))
  end
  local past = last and line_of(last) or {}
  if not past[1] then last, past = false, {} end
  return { key, state[1] or '', living or '', number, line, rows, last or '', past }
end

local places = {}
for place = 2, #ARGV, 2 do
  local key, id = ARGV[place + 1], nil
  if ARGV[place] == 'r' then
    id = key
    key = redis.call('HGET', round_of(id), 'key')
  end
  places[#places + 1] = key and at(key, id) or false
end
return { whole(now()), redis.call('HGET', it, 'consumers') or '0', redis.call('SMEMBERS', consumers), learned, places }
