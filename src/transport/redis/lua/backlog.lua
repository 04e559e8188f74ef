-- Counts what waits: not yet delivered, due later, delayed. KEYS[4]: the delayed packets. Nothing if the server cannot tell.
local groups = redis.call('XINFO', 'GROUPS', stream)
for _, info in ipairs(groups) do
  if info[2] == group then
    local lag = info[12]
    -- After deletions it does not know; but with one group, what is left and not pending was not delivered.
    if not lag and #groups == 1 and not keep then lag = math.max(0, redis.call('XLEN', stream) - info[6]) end
    if not lag then return false end
    return lag + redis.call('ZCARD', due) + redis.call('ZCARD', KEYS[4])
  end
end
return redis.error_reply('NOGROUP no such group')
