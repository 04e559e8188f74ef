-- Drops what every group is done with, up to the first entry that one has still to see or to settle. Most was deleted when it
-- was settled; this is for what was left by a group that is gone.
if redis.call('EXISTS', stream) == 0 then return 0 end
local first
for _, info in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
  local name, pending, last = info[2], info[6], info[8]
  local needed
  if pending > 0 then
    needed = redis.call('XPENDING', stream, name)[2]
  else
    local time, serial = string.match(last, '^(%d+)-(%d+)$')
    -- Beyond 15 digits a number here is not exact: then the last one stays.
    needed = #serial < 16 and time .. '-' .. string.format('%.0f', tonumber(serial) + 1) or last
  end
  if not first or before(needed, first) then first = needed end
end
if not first then return 0 end
return redis.call('XTRIM', stream, 'MINID', first)
