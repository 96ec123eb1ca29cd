-- How much there is in one shard, and what of it is late.
--
-- A session's score is the number of its status, times 2^43, and the minute in which it
-- expires, in ms. So those that are alive are told from those that are not, and nothing
-- has to be taken out when a key expires.
--
-- KEYS  1 deadlines  2 sessions  3 connected
-- ARGV  1 statuses, how many there are
--       2 silent_ms, after how long without a sign of life a connection is none
-- returns { overdue, overdue_ms, connections, sessions of status 0, of status 1, ... };
--         overdue_ms is how long ago the oldest of the overdue was due
local deadlines, sessions, connected = KEYS[1], KEYS[2], KEYS[3]
local statuses, silent_ms = ARGV[1], ARGV[2]

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local oldest_ms = redis.call('ZRANGE', deadlines, 0, 0, 'WITHSCORES')[2]
local counted = {
  redis.call('ZCOUNT', deadlines, '-inf', string.format('%d', now_ms)),
  math.max(0, now_ms - (oldest_ms or now_ms)),
  redis.call('ZCOUNT', connected, string.format('%d', now_ms - silent_ms), '+inf'),
}
for status = 0, statuses - 1 do
  local first = status * 2 ^ 43
  local from, to = string.format('(%d', first + now_ms), string.format('(%d', first + 2 ^ 43)
  counted[#counted + 1] = redis.call('ZCOUNT', sessions, from, to)
end
return counted
