-- Forget a session and tell everybody who watches; once for each command.
-- Who watches is kept: they wait for a session that is created anew.
--
-- KEYS  1 session  2 events  3 reply  4 deadlines  5 sessions
-- ARGV  1 epoch, of the one version that may be deleted; '' for any
--       2 version, likewise
--       3 session_id, as the deadlines name it
--       4 channel, of its updates
--       5 farewell, bytes
--       6 receipt, bytes
--       7 keep_ms, for how long that is kept
-- returns { 'deleted', existed }, the last 1 or 0, or { 'repeated', receipt } or
--         { 'stale', now_ms, epoch, version, setup, facts } as commit.lua does
local session, events, reply = KEYS[1], KEYS[2], KEYS[3]
local deadlines, sessions = KEYS[4], KEYS[5]
local epoch, version, session_id, channel = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local farewell, receipt, keep_ms = ARGV[5], ARGV[6], ARGV[7]

-- A repeated delete must not meet the session that somebody has created since.
local kept = redis.call('GET', reply)
if kept then
  return { 'repeated', kept }
end

if version ~= '' then
  local stored = redis.call('HMGET', session, 'epoch', 'version', 'setup', 'facts')
  if stored[1] ~= epoch or stored[2] ~= version then
    local time = redis.call('TIME')
    local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
    return { 'stale', now_ms, stored[1], stored[2], stored[3], stored[4] }
  end
end

local existed = redis.call('UNLINK', session)
redis.call('UNLINK', events)
redis.call('ZREM', deadlines, session_id)
redis.call('ZREM', sessions, session_id)
redis.call('SET', reply, receipt, 'PX', keep_ms)
if existed == 1 then
  redis.call('PUBLISH', channel, farewell)
end
return { 'deleted', existed }
