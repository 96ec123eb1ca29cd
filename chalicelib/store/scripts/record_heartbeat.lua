-- Record the heartbeat of a connection; $connect registers it with its first one.
--
-- KEYS  1 session  2 connections  3 connected  4 deadlines  5 events  6 sessions
--       7 messages, their bucket; given only to count one
-- ARGV  1 session_id, the member in the sorted set
--       2 connection_id
--       3 endpoint, where it can be posted to
--       4 ttl_ms, how long the hash is kept after its last heartbeat
--       5 silent_ms, after which a connection counts as gone
--       6 session_ttl_ms, for which a session lives on from now
--       7 renew_after_ms, the least by which its expiry is put off
--       8 is_new, '1' to register the connection, '0' to record a heartbeat
--       9 interval_us, the cost of a message; nothing is counted without it
--       10 capacity_us, the bucket's capacity
-- returns { now_ms, epoch, version, updated_at_ms }, the last three nil if there is no
--         session, and, if a message is counted, drained_at_us, now_us and allowed; nothing,
--         and nothing is changed, for a heartbeat of a connection that is not registered
local session, connections, connected = KEYS[1], KEYS[2], KEYS[3]
local deadlines, events, sessions, messages = KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local session_id, connection_id, endpoint = ARGV[1], ARGV[2], ARGV[3]
local ttl_ms, silent_ms = ARGV[4], ARGV[5]
local session_ttl_ms, renew_after_ms = ARGV[6], tonumber(ARGV[7])
local is_new, interval_us, capacity_us = ARGV[8] == '1', ARGV[9], ARGV[10]

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)

local record = redis.call('HGET', connections, connection_id)
-- $disconnect may run while a message is handled, and nothing would remove a record written after it.
if not record and not is_new then
  return {}
end
local registered_at_ms = record and string.match(record, '^%d+') or string.format('%d', now_ms)
redis.call('HSET', connections, connection_id,
  registered_at_ms .. ' ' .. string.format('%d', now_ms) .. ' ' .. endpoint)
redis.call('PEXPIRE', connections, ttl_ms)
redis.call('ZADD', connected, string.format('%d', now_ms), connection_id)
redis.call('ZREMRANGEBYSCORE', connected, 0, string.format('(%d', now_ms - silent_ms))
redis.call('PEXPIRE', connected, silent_ms)

local stored = redis.call('HMGET', session, 'epoch', 'version', 'updated_at_ms', 'due_ms',
  'renewable_until_ms')
-- Repair a deadline that a failover removed from the index or left too late; clients wait for it.
local due_ms = tonumber(stored[4] or '')
if due_ms then
  local listed_ms = redis.call('ZSCORE', deadlines, session_id)
  if not listed_ms or tonumber(listed_ms) > due_ms then
    redis.call('ZADD', deadlines, stored[4], session_id)
  end
end
-- A session lives on while a client is connected.
local renewable_until_ms = tonumber(stored[5] or '')
if renewable_until_ms then
  local expires_at_ms = math.min(now_ms + session_ttl_ms, renewable_until_ms)
  local expiry_ms = redis.call('PEXPIRETIME', session)
  if expiry_ms > 0 and expires_at_ms - expiry_ms >= renew_after_ms then
    redis.call('PEXPIREAT', session, string.format('%d', expires_at_ms))
    redis.call('PEXPIREAT', events, string.format('%d', expires_at_ms))
    -- store_stats.lua explains the score.
    local first = 2 ^ 43 * math.floor((redis.call('ZSCORE', sessions, session_id) or 0) / 2 ^ 43)
    local minute_ms = math.ceil(expires_at_ms / 60000) * 60000
    redis.call('ZADD', sessions, 'XX', string.format('%d', first + minute_ms), session_id)
  end
end
if not interval_us then
  return { now_ms, stored[1], stored[2], stored[3] }
end
return { now_ms, stored[1], stored[2], stored[3], consume(messages, time, tonumber(interval_us), capacity_us) }
