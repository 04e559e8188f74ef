-- Settles deliveries that are done. ARGV from 4: receipts. Returns what is true of each, or 1 if all of them were ours.
local codes, done = {}, {}
for i = 4, #ARGV do
  local id, code = ours(ARGV[i])
  codes[#codes + 1] = code
  if code == 1 then done[#done + 1] = id end
end
if #done > 0 then
  redis.call('ZREM', due, unpack(done))
  redis.call('SREM', marks, unpack(done))
  redis.call('XACK', stream, group, unpack(done))
  forget(done)
end
if #done == #codes then return 1 end
return codes
