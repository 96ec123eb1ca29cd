-- Load a session and the time, atomically.
--
-- KEYS  1 session  2 sessions
--       3 switches, their bucket; given to check it, or whenever reply is
--       4 reply, of the command to look up
-- ARGV  1 session_id, the member in the sorted set
--       2 interval_us, the cost of a switch; the bucket is not checked without it
--       3 capacity_us, the bucket's capacity
-- returns { now_ms, epoch, version, setup, facts, record, ended } and, if the bucket is full,
--         drained_at_us, now_us and 0; nil for what doesn't exist. ended is the score of a
--         session that there is no more, which store_stats.lua explains
local session, sessions, switches, reply = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local session_id, interval_us, capacity_us = ARGV[1], ARGV[2], ARGV[3]

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local stored = redis.call('HMGET', session, 'epoch', 'version', 'setup', 'facts')
local record = reply ~= nil and redis.call('GET', reply)
local ended = not stored[1] and redis.call('ZSCORE', sessions, session_id)
local loaded = { now_ms, stored[1], stored[2], stored[3], stored[4], record, ended }

-- Only measured here, and only for what may become a switch. The commit consumes, so a
-- failed command costs nothing.
if interval_us and stored[1] and not record then
  local drained_at_us, now_us, allowed = measure(switches, time, tonumber(interval_us), capacity_us)
  if allowed == 0 then
    loaded[8], loaded[9], loaded[10] = drained_at_us, now_us, allowed
  end
end
return loaded
