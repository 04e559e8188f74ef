-- Has leases last so long from now. ARGV: 4 the usual lease in milliseconds; from 5, two each: receipt, milliseconds.
-- A lease ends when an entry has been idle for the usual time; one that is to last longer gets a time of its own. So does one
-- whose entry somebody has deleted: to claim it would take it from us, and it can still be settled.
local codes, lease, time = {}, tonumber(ARGV[4]), now()
for i = 5, #ARGV, 2 do
  local id, code = ours(ARGV[i])
  local by = tonumber(ARGV[i + 1])
  codes[#codes + 1] = code
  if code == 1 then
    local left = not gone(id)
    if by > lease or not left then
      redis.call('ZADD', due, time + by, id)
    else
      redis.call('ZREM', due, id)
    end
    if left then redis.call('XCLAIM', stream, group, me, 0, id, 'IDLE', math.max(0, lease - by), 'JUSTID') end
  end
end
return codes
