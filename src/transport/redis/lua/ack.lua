-- Settles deliveries that are done. ARGV from 4: receipts.
local codes, done = {}, {}
for i = 4, #ARGV do
  local id, code = ours(ARGV[i])
  codes[#codes + 1] = code
  if code == 1 then done[#done + 1] = id end
end
if #done > 0 then
  redis.call('ZREM', due, unpack(done))
  redis.call('XACK', stream, group, unpack(done))
  forget(done)
end
return codes
