-- Shows which of these rounds are over. ARGV: their numbers. Returns numbers and rounds.
local found = {}
for _, id in ipairs(ARGV) do
  local state = redis.call('HGET', round_of(id), 'state')
  if state and tonumber(state) > 2 then
    found[#found + 1] = { id, line_of(id) }
  end
end
return found
