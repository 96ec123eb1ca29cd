-- Commit the next version of a session atomically, if its base version is current.
--
-- KEYS  1 session  2 events  3 connections  4 reply  5 deadlines  6 sessions
--       7 switches, their bucket
-- ARGV  1 epoch, of the base version
--       2 base_version; 0: the session must not exist
--       3 version, the new one
--       4 setup, bytes, or '' to keep it; always given with base_version 0
--       5 facts, bytes
--       6 updated_at_ms, of the new version
--       7 base_updated_at_ms, of the base version; '' for any
--       8 session_id, the member in the sorted sets
--       9 due_ms, when to settle the session next, or '' for never
--      10 expires_at_ms, or '' to keep the current expiry
--      11 channel, of the session's updates
--      12 update, bytes
--      13 record, the idempotency record as bytes
--      14 keep_ms, the record's time to live
--      15 events_kept, the approximate length of the event log
--      16 status, as a number
--      17 interval_us, the cost of a switch; '' if there is none to count
--      18 capacity_us, the bucket's capacity
--      19 renewable_until_ms, until when heartbeats may renew the session, or '' to keep it
--      20.. events, bytes each
-- returns { 'committed' }, or { 'repeated', record } if the command was committed before,
--         or { 'stale', now_ms, epoch, version, setup, facts } as load.lua does;
--         for a counted switch { 'committed', drained_at_us, now_us, 1 }, or
--         { 'refused', drained_at_us, now_us, 0 } if the bucket is full
local session, events, connections = KEYS[1], KEYS[2], KEYS[3]
local reply, deadlines, sessions, switches = KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local epoch, base_version, version, setup, facts = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local updated_at_ms, base_updated_at_ms, session_id = ARGV[6], ARGV[7], ARGV[8]
local due_ms, expires_at_ms, channel, update = ARGV[9], ARGV[10], ARGV[11], ARGV[12]
local record, keep_ms, events_kept, status = ARGV[13], ARGV[14], ARGV[15], ARGV[16]
local interval_us, capacity_us, renewable_until_ms = ARGV[17], ARGV[18], ARGV[19]
local first_event = 20
local creating = base_version == '0'

local saved = redis.call('GET', reply)
if saved then
  return { 'repeated', saved }
end

-- The version alone is not enough: a session can reach the same version after it was deleted
-- and created again, or after a failover lost a version.
local stored = redis.call('HMGET', session, 'epoch', 'version', 'setup', 'facts', 'updated_at_ms')
local made_at_ms = base_updated_at_ms ~= '' and stored[5] or base_updated_at_ms
local is_base = creating or stored[1] == epoch and made_at_ms == base_updated_at_ms
if (stored[2] or '0') ~= base_version or not is_base then
  local time = redis.call('TIME')
  local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  return { 'stale', now_ms, stored[1], stored[2], stored[3], stored[4] }
end

-- A full server refuses the first write, here or below; later writes of a script succeed.
local counted = {}
if interval_us ~= '' then
  counted = { consume(switches, redis.call('TIME'), tonumber(interval_us), capacity_us) }
  if counted[3] == 0 then
    return { 'refused', unpack(counted) }
  end
end

local fields = { 'epoch', epoch, 'version', version, 'facts', facts,
  'updated_at_ms', updated_at_ms, 'due_ms', due_ms }
if renewable_until_ms ~= '' then
  fields[11], fields[12] = 'renewable_until_ms', renewable_until_ms
end
redis.call('HSET', session, unpack(fields))
if setup ~= '' then
  redis.call('HSET', session, 'setup', setup)
end
if creating then
  redis.call('UNLINK', events)
end
redis.call('SET', reply, record, 'PX', keep_ms)
if due_ms == '' then
  redis.call('ZREM', deadlines, session_id)
else
  -- Wake sweepers that sleep until a later deadline. Deadlines in the past don't count:
  -- a session that can't be settled keeps its entry.
  local time = redis.call('TIME')
  local passed = string.format('(%d', time[1] * 1000 + math.floor(time[2] / 1000))
  local next_ms = redis.call('ZRANGE', deadlines, passed, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')[2]
  redis.call('ZADD', deadlines, due_ms, session_id)
  if not next_ms or tonumber(due_ms) < tonumber(next_ms) then
    redis.call('PUBLISH', deadlines, due_ms)
  end
end
for i = first_event, #ARGV do
  redis.call('XADD', events, 'MAXLEN', '~', events_kept, '*', 'version', version, 'event', ARGV[i])
end

local expiry_ms = tonumber(expires_at_ms)
if not expiry_ms then
  -- The stream may be new even if the session is not.
  expiry_ms = redis.call('PEXPIRETIME', session)
  if expiry_ms > 0 then
    redis.call('PEXPIREAT', events, expiry_ms)
  end
else
  redis.call('PEXPIREAT', session, expires_at_ms)
  redis.call('PEXPIREAT', events, expires_at_ms)
  -- Clients may keep waiting for an expired session: never shorten this.
  redis.call('PEXPIREAT', connections, expires_at_ms, 'GT')
end

-- In whole minutes, so that most switches write an unchanged score, which is cheap.
local minute_ms = math.ceil(expiry_ms / 60000) * 60000
redis.call('ZADD', sessions, string.format('%d', status * 2 ^ 43 + minute_ms), session_id)
if creating then
  -- Remove what ended a day ago, of all six statuses and deleted; store_stats.lua explains the
  -- scores.
  local day_ago_ms = (redis.call('TIME')[1] - 86400) * 1000
  for _, other in ipairs({ 0, 1, 2, 3, 4, 5, 15 }) do
    local first = string.format('%d', other * 2 ^ 43)
    local last = string.format('%d', other * 2 ^ 43 + day_ago_ms)
    redis.call('ZREMRANGEBYSCORE', sessions, first, last)
  end
end

redis.call('PUBLISH', channel, update)
return { 'committed', unpack(counted) }
