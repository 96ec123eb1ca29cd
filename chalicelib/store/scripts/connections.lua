-- Who watches a session, and what time it is, read at one instant.
--
-- KEYS  1 connections
-- returns { now_ms, connection_id, record, connection_id, record, ... }
local connections = KEYS[1]

local time = redis.call('TIME')
local watchers = redis.call('HGETALL', connections)
table.insert(watchers, 1, time[1] * 1000 + math.floor(time[2] / 1000))
return watchers
