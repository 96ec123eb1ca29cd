-- Correct a session's deadline in the index, unless the session changed since it was read.
--
-- KEYS  1 session  2 deadlines
-- ARGV  1 session_id, the member in the sorted set
--       2 epoch, as it was read; '' if there was no session
--       3 version, as it was read; '' if there was no session
--       4 due_ms, when to settle the session, or '' for never
-- returns 1 if the deadline was corrected, 0 if the session has changed
local session, deadlines = KEYS[1], KEYS[2]
local session_id, epoch, version, due_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local stored = redis.call('HMGET', session, 'epoch', 'version')
if (stored[1] or '') ~= epoch or (stored[2] or '') ~= version then
  return 0
end
if due_ms == '' then
  redis.call('ZREM', deadlines, session_id)
else
  redis.call('ZADD', deadlines, due_ms, session_id)
end
return 1
