-- Shows what there is at places. ARGV: 1 the tag of the broker, 2 the version of its consumers that the caller knows, then three for each place: `k` and a key, or `r` and the number of a
-- round, and whether a number is drawn though there is a round. Returns the time, the version of consumers, who they are and what
-- parties say of themselves unless the caller knows that, the rules, and the places: key, version, the number of the round that is not over, the one that a new one
-- would have, the round, its rows, and the number of the last one that is over, and that. A round that is over is false, and all of it if the broker is another one.
if redis.call('HGET', it, 'tag') ~= ARGV[1] then return false end

local function at(key, id, draws)
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
  elseif id then
    return false
  end
  -- To draw one is to write, so it is not done for nothing.
  if not living or draws then number = whole(redis.call('INCR', last_number)) end
  local past = last and line_of(last) or {}
  if not past[1] then last, past = false, {} end
  return { key, state[1] or '', living or '', number, line, rows, last or '', past }
end

local places = {}
for place = 3, #ARGV, 3 do
  local key, id = ARGV[place + 1], nil
  if ARGV[place] == 'r' then
    id = key
    key = redis.call('HGET', round_of(id), 'key')
  end
  places[#places + 1] = key and at(key, id, ARGV[place + 2] == '1') or false
end
local version = redis.call('HGET', it, 'version') or ''
local is_new = version == '' or version ~= ARGV[2]
return {
  whole(now()), version, is_new and redis.call('SMEMBERS', consumers), is_new and redis.call('HGETALL', parties), learned, places,
}
