-- Has deliveries come again: each stays pending, under a consumer that never reads, with the time at which it is due.
-- ARGV from 4, three each: receipt, milliseconds, how many deliveries count so far. -3: somebody has deleted the entry, so that it
-- cannot come again, and it stays ours.
local codes, time = {}, now()
for i = 4, #ARGV, 3 do
  local id, code = ours(ARGV[i])
  if code == 1 and gone(id) then code = -3 end
  codes[#codes + 1] = code
  if code == 1 then
    redis.call('ZADD', due, time + tonumber(ARGV[i + 1]), id)
    redis.call('SREM', marks, id)
    redis.call('XCLAIM', stream, group, LATER, 0, id, 'RETRYCOUNT', ARGV[i + 2], 'JUSTID')
  end
end
return codes
