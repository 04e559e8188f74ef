-- Says what somebody has to look at. ARGV: 1 how many at most, 2 how long after their deadline those are looked at that the caller cannot
-- decide, from 3 the rules of those. Returns the time, when there is something else (false: nobody knows), and rounds: when, and which; one
-- more than asked for if there are others.
local most, patience, time = tonumber(ARGV[1]) + 1, tonumber(ARGV[2]), now()
local foreign = {}
for number = 3, #ARGV do foreign[ARGV[number]] = true end

local soonest, found = false, {}
for _, rules in ipairs(redis.call('SMEMBERS', active)) do
  if foreign[rules] then
    local from, count = 0, 0
    repeat
      local some = redis.call('ZRANGEBYSCORE', due_of(rules), '-inf', whole(time - patience), 'LIMIT', from, most)
      for _, id in ipairs(some) do
        local look = redis.call('ZSCORE', look_of(rules), id)
        if look and tonumber(look) <= time then
          count = count + 1
          found[#found + 1] = look
          found[#found + 1] = id
        end
      end
      from = from + #some
    until #some < most or count >= most
  else
    local some = redis.call('ZRANGEBYSCORE', look_of(rules), '-inf', whole(time), 'WITHSCORES', 'LIMIT', 0, most)
    for at = 1, #some, 2 do
      found[#found + 1] = some[at + 1]
      found[#found + 1] = some[at]
    end
    local next = redis.call('ZRANGEBYSCORE', look_of(rules), '(' .. whole(time), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
    if next and (not soonest or tonumber(next) < tonumber(soonest)) then soonest = next end
  end
end
return { whole(time), soonest, found }
