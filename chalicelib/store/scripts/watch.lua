-- Put a connection on a session's list, or note that it is still alive.
--
-- KEYS  1 session  2 connections
-- ARGV  1 connection_id
--       2 endpoint, where it can be posted to
--       3 life_ms, for how long the list is kept after the last sign of life on it
-- returns { now_ms, epoch, version, updated_at_ms }; the last three nil if there is no session
local session, connections = KEYS[1], KEYS[2]
local connection_id, endpoint, life_ms = ARGV[1], ARGV[2], ARGV[3]

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)

local known = redis.call('HGET', connections, connection_id)
local registered_at_ms = known and string.match(known, '^%d+') or string.format('%d', now_ms)
redis.call('HSET', connections, connection_id,
  registered_at_ms .. ' ' .. string.format('%d', now_ms) .. ' ' .. endpoint)
redis.call('PEXPIRE', connections, life_ms)

local stored = redis.call('HMGET', session, 'epoch', 'version', 'updated_at_ms')
return { now_ms, stored[1], stored[2], stored[3] }
