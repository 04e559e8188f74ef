-- Shows rounds. ARGV: `round` and its number; `of`, a key, before which number, and how many at most, the latest first; or `open`, behind
-- which number, and how many at most. Returns the rules, and rounds: number, the round, and its rows if it is not over.
local what, ids = ARGV[1], {}
if what == 'round' then
  ids = { ARGV[2] }
elseif what == 'of' then
  ids = redis.call('ZREVRANGEBYSCORE', numbers_of(ARGV[2]), '(' .. ARGV[3], '-inf', 'LIMIT', 0, ARGV[4])
else
  for state = 0, 2 do
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', is_of(state), '(' .. ARGV[2], '+inf', 'LIMIT', 0, ARGV[3])) do
      ids[#ids + 1] = id
    end
  end
  table.sort(ids, function(a, b) return tonumber(a) < tonumber(b) end)
  for more = #ids, tonumber(ARGV[3]) + 1, -1 do ids[more] = nil end
end

local found = {}
for _, id in ipairs(ids) do
  local line = line_of(id)
  if line[1] then
    local rows = {}
    if tonumber(line[2]) <= 2 then
      rows = redis.call('LRANGE', rows_of(id), 0, -1)
      learn(line[3])
    end
    found[#found + 1] = { id, line, rows }
  end
end
return { learned, found }
