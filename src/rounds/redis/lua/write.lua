-- Writes what was ruled, place by place, where nobody has written since it was read. ARGV: 1 the tag of the broker, 2 the
-- version of its consumers, 3 the version that places have from now on, 4 how many places, then for each: its key and version; how many rounds, and of each what it is (`made`,
-- `changed`, or `noted` if nothing but its deadline is another), number, state, rules, opened, look, due, closed, generation, whether
-- there is a text, text; and then lists, each by how many there are: numbers of rounds whose rows are deleted; numbers of rounds that
-- lapse; rounds and outcomes that are amended; rounds, rows of them by their place from 0, and terms that they have from now on; rounds
-- and rows; and channels, each with how many fields, and these. Returns 1 for each place that was written and 0 for others, nothing at
-- all if consumers or parties are others, and false if the broker is.
if redis.call('HGET', it, 'tag') ~= ARGV[1] then return false end
if (redis.call('HGET', it, 'version') or '') ~= ARGV[2] then return {} end

local position = 4
local function take()
  position = position + 1
  return ARGV[position]
end
-- A list of so many at a time.
local function takes(many)
  local all = {}
  for one = 1, tonumber(take()) do
    local some = {}
    for part = 1, many do some[part] = take() end
    all[one] = some
  end
  return all
end

-- A key of another kind would end this script halfway: it is looked for before anything is written.
local wrong, right = false, {}
local function must(key, kind)
  if right[key] then return end
  right[key] = true
  local is = redis.call('TYPE', key).ok
  if is ~= 'none' and is ~= kind then wrong = true end
end
local function must_lists(state, rules)
  if not state then return end
  if state == '0' or state == '1' then
    must(look_of(rules), 'zset')
    must(due_of(rules), 'zset')
    must(active, 'set')
  end
  if tonumber(state) <= 2 then must(is_of(state), 'zset') else must(over, 'zset') end
end

local places = {}
for number = 1, tonumber(ARGV[4]) do
  local place = { key = take(), version = take() }
  place.lines = takes(11)
  place.emptied, place.lapsed, place.amended, place.notes, place.rows = takes(1), takes(1), takes(2), takes(3), takes(2)
  place.heard = {}
  for packet = 1, tonumber(take()) do
    local consumer, fields = take(), tonumber(take())
    place.heard[packet] = { consumer, position + 1, position + fields }
    position = position + fields
  end
  place.writes = (redis.call('HGET', key_of(place.key), 'version') or '') == place.version
  if place.writes then
    must(key_of(place.key), 'hash')
    must(numbers_of(place.key), 'zset')
    for _, line in ipairs(place.lines) do
      must(round_of(line[2]), 'hash')
      must_lists(line[3], line[4])
      local old = redis.call('HMGET', round_of(line[2]), 'state', 'rules')
      must_lists(old[1], old[2])
    end
    for _, round in ipairs(place.lapsed) do
      local old = redis.call('HMGET', round_of(round[1]), 'state', 'rules')
      must_lists(old[1], old[2])
    end
    for _, round in ipairs(place.amended) do must(round_of(round[1]), 'hash') end
    for _, note in ipairs(place.notes) do must(rows_of(note[1]), 'list') end
    for _, row in ipairs(place.rows) do must(rows_of(row[1]), 'list') end
    for _, packet in ipairs(place.heard) do must(heard_of(packet[1]), 'stream') end
  end
  places[number] = place
end
if wrong then return redis.error_reply('WRONGTYPE a key of these rounds is of another kind') end

-- Takes a round out of all lists in which it is.
local function unlist(id)
  local old = redis.call('HMGET', round_of(id), 'state', 'rules')
  local state, rules = old[1], old[2]
  if not state then return end
  redis.call('ZREM', tonumber(state) <= 2 and is_of(state) or over, id)
  if state == '0' or state == '1' then
    redis.call('ZREM', due_of(rules), id)
    redis.call('ZREM', look_of(rules), id)
    if redis.call('EXISTS', look_of(rules)) == 0 then redis.call('SREM', active, rules) end
  end
end

-- A row as `row.rs` writes it, with other terms: 27 bytes, how long the name is, the name, then whether it has terms, how long, and they.
local function with_terms(row, terms)
  local function length_at(at)
    local a, b, c, d = string.byte(row, at, at + 3)
    return ((a * 256 + b) * 256 + c) * 256 + d
  end
  local behind_name = 31 + length_at(28)
  local behind_terms = behind_name + 5 + length_at(behind_name + 2)
  return string.sub(row, 1, behind_name) .. terms .. string.sub(row, behind_terms + 1)
end

local written, rings = {}, false
for number, place in ipairs(places) do
  local key = key_of(place.key)
  if place.writes then
    for _, line in ipairs(place.lines) do
      local what, id, state, rules, opened, look, due, closed, generation = unpack(line, 1, 9)
      if what == 'noted' then
        redis.call('HSET', round_of(id), 'due', due, 'generation', generation)
        if state == '0' or state == '1' then redis.call('ZADD', due_of(rules), due, id) end
      else
        rings = true
        if what == 'changed' then unlist(id) end
        redis.call('HSET', round_of(id), 'key', place.key, 'state', state, 'rules', rules, 'opened', opened, 'look', look, 'due',
          due, 'closed', closed, 'generation', generation)
        if line[10] == '1' then
          redis.call('HSET', round_of(id), 'text', line[11])
        else
          redis.call('HDEL', round_of(id), 'text')
        end
        redis.call('ZADD', numbers_of(place.key), id, id)
        if tonumber(state) <= 2 then
          redis.call('ZADD', is_of(state), id, id)
          redis.call('HSET', key, 'living', id)
        else
          redis.call('ZADD', over, closed, id)
          redis.call('HDEL', key, 'living')
          redis.call('HSET', key, 'last', id)
        end
        if state == '0' or state == '1' then
          redis.call('ZADD', look_of(rules), look, id)
          redis.call('ZADD', due_of(rules), due, id)
          redis.call('SADD', active, rules)
        end
      end
    end
    for _, round in ipairs(place.emptied) do redis.call('DEL', rows_of(round[1])) end
    for _, round in ipairs(place.lapsed) do
      unlist(round[1])
      redis.call('DEL', round_of(round[1]), rows_of(round[1]))
      redis.call('ZREM', numbers_of(place.key), round[1])
      redis.call('HDEL', key, 'living')
    end
    for _, round in ipairs(place.amended) do
      if tonumber(redis.call('HGET', round_of(round[1]), 'state') or '0') > 2 then
        redis.call('HSET', round_of(round[1]), 'text', round[2])
      end
    end
    for _, note in ipairs(place.notes) do
      local row = redis.call('LINDEX', rows_of(note[1]), note[2])
      if row and #row >= 36 then redis.call('LSET', rows_of(note[1]), note[2], with_terms(row, note[3])) end
    end
    for _, row in ipairs(place.rows) do redis.call('RPUSH', rows_of(row[1]), row[2]) end
    for _, packet in ipairs(place.heard) do
      redis.call('XADD', heard_of(packet[1]), '*', unpack(ARGV, packet[2], packet[3]))
    end
    if redis.call('EXISTS', numbers_of(place.key)) == 1 then
      redis.call('HSET', key, 'version', ARGV[3])
    else
      redis.call('DEL', key)
    end
  end
  written[number] = place.writes and 1 or 0
end
-- Whoever listens looks: something was written that is more than a signal that is noted. Who may not publish is not heard.
if rings then redis.pcall('PUBLISH', base, '') end
return written
