-- Read a session's connections and the time, atomically.
--
-- KEYS  1 connections
-- returns { now_ms, connection_id, record, connection_id, record, ... }
local connections = KEYS[1]

local time = redis.call('TIME')
local records = redis.call('HGETALL', connections)
table.insert(records, 1, time[1] * 1000 + math.floor(time[2] / 1000))
return records
