-- Writes down that a delivery is about to be heard alone. ARGV: 4 the receipt.
local id, code = ours(ARGV[4])
if code == 1 then redis.call('SADD', marks, id) end
return { code }
