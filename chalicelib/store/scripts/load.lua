-- What is stored of a session, and what time it is, read at one instant.
--
-- KEYS  1 session  2 switches, their bucket; given to look for room in it, or before the other
--       3 reply, to the command that is asked after
-- ARGV  1 interval_us, what one switch pours; nobody looks without it
--       2 capacity_us, what the bucket holds
-- returns { now_ms, epoch, version, setup, facts, receipt } and, if there is no room for a
--         switch, drained_at_us, now_us and 0; nil stands for what there is none of
local session, switches, reply = KEYS[1], KEYS[2], KEYS[3]
local interval_us, capacity_us = ARGV[1], ARGV[2]

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local stored = redis.call('HMGET', session, 'epoch', 'version', 'setup', 'facts')
local receipt = reply ~= nil and redis.call('GET', reply)
local loaded = { now_ms, stored[1], stored[2], stored[3], stored[4], receipt }

-- Room needs only what may become a switch. It is taken by the commit: who asks in vain takes
-- none from others.
if interval_us and stored[1] and not receipt then
  local drained_at_us, now_us, fits = measure(switches, time, tonumber(interval_us), capacity_us)
  if fits == 0 then
    loaded[7], loaded[8], loaded[9] = drained_at_us, now_us, fits
  end
end
return loaded
