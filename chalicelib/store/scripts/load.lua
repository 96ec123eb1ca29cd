-- What is stored of a session, and what time it is, read at one instant.
--
-- KEYS  1 session  2 switches, their bucket; given to count one, or before the others
--       3 reply, to the command that is asked after
--       4 admitted, there while that command is counted and perhaps under way
-- ARGV  1 interval_us, what one switch pours; nothing is counted without it
--       2 most_us, what the bucket holds
--       3 under_way_ms, for how long a command that was counted may be
-- returns { now_ms, epoch, version, setup, facts, receipt } and, if one is counted,
--         drained_at_us, now_us and let_through; nil stands for what there is none of
local session, switches, reply, admitted = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local interval_us, most_us, under_way_ms = ARGV[1], ARGV[2], ARGV[3]

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local stored = redis.call('HMGET', session, 'epoch', 'version', 'setup', 'facts')
local receipt = reply ~= nil and redis.call('GET', reply)
local loaded = { now_ms, stored[1], stored[2], stored[3], stored[4], receipt }

-- Counted is what may become a switch: of a session that there is, and of equal requests,
-- many of which can come before the first is committed, only one.
if not interval_us or receipt or not stored[1] then
  return loaded
end
if admitted ~= nil and redis.call('EXISTS', admitted) == 1 then
  return loaded
end
loaded[7], loaded[8], loaded[9] = pour(switches, time, tonumber(interval_us), most_us)
if admitted ~= nil and loaded[9] == 1 then
  redis.call('SET', admitted, '', 'PX', under_way_ms)
end
return loaded
