-- What is stored of a session, and what time it is, read at one instant.
--
-- KEYS  1 session  2 switches, their bucket; given to count one, or before the third
--       3 reply, to the command that is asked after
-- ARGV  1 interval_us, what one switch pours; nothing is counted without it
--       2 most_us, what the bucket holds
-- returns { now_ms, epoch, version, setup, facts, receipt } and, if one is counted,
--         drained_at_us, now_us and let_through; nil stands for what there is none of
local session, switches, reply = KEYS[1], KEYS[2], KEYS[3]
local interval_us, most_us = ARGV[1], ARGV[2]

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local stored = redis.call('HMGET', session, 'epoch', 'version', 'setup', 'facts')
local receipt = reply ~= nil and redis.call('GET', reply)
if not interval_us then
  return { now_ms, stored[1], stored[2], stored[3], stored[4], receipt }
end
-- What has been carried out before will not be again.
local poured_us = receipt and 0 or tonumber(interval_us)
return {
  now_ms, stored[1], stored[2], stored[3], stored[4], receipt,
  pour(switches, time, poured_us, most_us),
}
