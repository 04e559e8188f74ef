-- Puts a delivery into the stream of dead letters and settles it, in one step. KEYS[4]: that stream.
-- ARGV: 4 the receipt, from 5 the fields of the dead letter.
local id, code = ours(ARGV[4])
if code == 1 then
  redis.call('XADD', KEYS[4], '*', unpack(ARGV, 5))
  redis.call('ZREM', due, id)
  redis.call('SREM', marks, id)
  redis.call('XACK', stream, group, id)
  forget({ id })
end
return { code }
