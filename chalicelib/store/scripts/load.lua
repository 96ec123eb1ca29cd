-- What is stored of a session, and what time it is, read at one instant.
--
-- KEYS  1 session  2 command, if one is asked after
-- returns { now_ms, epoch, version, setup, facts, made }; the middle four nil if there is no
--         session; made is the version that the command made, false if it made none
local session, command = KEYS[1], KEYS[2]

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local stored = redis.call('HMGET', session, 'epoch', 'version', 'setup', 'facts')
local made = command and redis.call('GET', command)
return { now_ms, stored[1], stored[2], stored[3], stored[4], made }
