-- What is stored of a session, and what time it is, read at one instant.
--
-- KEYS  1 session
-- returns { now_ms, epoch, version, setup, facts }; the last four nil if there is none
local session = KEYS[1]

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local stored = redis.call('HMGET', session, 'epoch', 'version', 'setup', 'facts')
return { now_ms, stored[1], stored[2], stored[3], stored[4] }
