-- Forget a session and tell everybody who watches; once for each command.
-- Who watches is kept: they wait for a session that is created anew.
--
-- KEYS  1 session  2 events  3 command  4 deadlines  5 sessions
-- ARGV  1 session_id, as the deadlines name it
--       2 channel, of its updates
--       3 farewell, bytes
--       4 remember_ms, for how long the command is remembered
-- returns 1 if there was one, else 0
local session, events, command = KEYS[1], KEYS[2], KEYS[3]
local deadlines, sessions = KEYS[4], KEYS[5]
local session_id, channel, farewell, remember_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

-- A repeated delete must not meet the session that somebody has created since.
if redis.call('EXISTS', command) == 1 then
  return 0
end

local existed = redis.call('UNLINK', session)
redis.call('UNLINK', events)
redis.call('ZREM', deadlines, session_id)
redis.call('ZREM', sessions, session_id)
redis.call('SET', command, 0, 'PX', remember_ms)
if existed == 1 then
  redis.call('PUBLISH', channel, farewell)
end
return existed
