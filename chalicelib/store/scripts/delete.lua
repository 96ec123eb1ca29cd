-- Delete a session and publish its final message; once per command.
-- Connections are kept: clients may wait for the session to be created again.
--
-- KEYS  1 session  2 events  3 reply  4 deadlines  5 sessions
-- ARGV  1 epoch, of the only version to delete; '' for any
--       2 version, likewise
--       3 session_id, the member in the sorted sets
--       4 channel, of the session's updates
--       5 final_message, bytes
--       6 record, the idempotency record as bytes
--       7 keep_ms, the record's time to live
-- returns { 'deleted', existed }, existed being 1 or 0, or { 'repeated', record } or
--         { 'stale', now_ms, epoch, version, setup, facts } as commit.lua does
local session, events, reply = KEYS[1], KEYS[2], KEYS[3]
local deadlines, sessions = KEYS[4], KEYS[5]
local epoch, version, session_id, channel = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local final_message, record, keep_ms = ARGV[5], ARGV[6], ARGV[7]

-- A repeated delete must not delete a session created since.
local saved = redis.call('GET', reply)
if saved then
  return { 'repeated', saved }
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
-- Remember that there was one; store_stats.lua explains the score.
local score = redis.call('ZSCORE', sessions, session_id)
local deleted = 15 * 2 ^ 43
if existed == 1 or score and tonumber(score) < deleted then
  local time = redis.call('TIME')
  local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('ZADD', sessions, string.format('%d', deleted + now_ms), session_id)
end
redis.call('SET', reply, record, 'PX', keep_ms)
if existed == 1 then
  redis.call('PUBLISH', channel, final_message)
end
return { 'deleted', existed }
