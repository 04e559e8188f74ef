-- Makes the broker, if there is none. One that the caller does not know, as of a server that was emptied, gets what he knows. ARGV: 1 the
-- tag that he knows, 2 the one of a new broker, and the version that its consumers have then, 3 the rules by which it opens rounds, or nothing, 4 the format of what is kept, 5 how many
-- rules, then the number and the text of each; how many consumers, and these; and then parties: name, what each says, and its channel if
-- it can be asked. Returns the tag, or the format if it is that of a later program.
local format = redis.call('HGET', it, 'format')
if format and tonumber(format) > tonumber(ARGV[4]) then return { '', format } end
local tag = redis.call('HGET', it, 'tag')
if not tag then
  tag = ARGV[2]
  redis.call('HSET', it, 'tag', tag, 'format', ARGV[4])
end
if tag ~= ARGV[1] then
  local after = 5 + 2 * tonumber(ARGV[5])
  for rules = 6, after, 2 do
    redis.call('HSETNX', texts, ARGV[rules], ARGV[rules + 1])
    redis.call('ZADD', noted, 'NX', whole(now()), ARGV[rules])
  end
  if ARGV[3] ~= '' then redis.call('HSETNX', it, 'rules', ARGV[3]) end
  local behind = after + 1 + tonumber(ARGV[after + 1])
  for consumer = after + 2, behind do
    redis.pcall('XGROUP', 'CREATE', heard_of(ARGV[consumer]), ARGV[consumer], '0', 'MKSTREAM')
    redis.call('SADD', consumers, ARGV[consumer])
  end
  for party = behind + 1, #ARGV, 3 do
    local channel = ARGV[party + 2]
    if channel ~= '' then redis.pcall('XGROUP', 'CREATE', heard_of(channel), channel, '0', 'MKSTREAM') end
    redis.call('HSETNX', parties, ARGV[party], ARGV[party + 1])
  end
  redis.call('HSET', it, 'version', ARGV[2])
end
return { tag, ARGV[4] }
