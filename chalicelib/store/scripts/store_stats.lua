-- Count a shard's sessions, connections and overdue deadlines.
--
-- A session's score is its status number times 2^43 plus its expiry in ms, rounded up to
-- a minute. So expired sessions can be excluded without removing them when they expire, and for
-- a day their scores tell that they have. A deleted session's number is 15, its instant that of
-- the deletion.
--
-- KEYS  1 deadlines  2 sessions  3 connected
-- ARGV  1 statuses, their number
--       2 silent_ms, after which a connection counts as gone
-- returns { overdue, overdue_ms, connections, sessions of status 0, of status 1, ... };
--         overdue_ms is the age of the oldest overdue deadline
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
