-- Takes the consumer out of the group, unless something is still pending under its name: that is claimed first.
if redis.call('EXISTS', stream) == 0 then return 0 end
if #redis.call('XPENDING', stream, group, '-', '+', 1, me) > 0 then return 0 end
redis.call('XGROUP', 'DELCONSUMER', stream, group, me)
return 1
