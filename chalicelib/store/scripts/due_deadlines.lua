-- Read a shard's due deadlines, earliest first, and the next one to come.
--
-- KEYS  1 deadlines
-- ARGV  1 limit, the maximum number
-- returns { now_ms, next_ms, session_id, due_ms, session_id, due_ms, ... };
--         next_ms is '' if there is none
local deadlines = KEYS[1]
local limit = ARGV[1]

local time = redis.call('TIME')
local now_ms = string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000))
local due = redis.call('ZRANGE', deadlines, '-inf', now_ms, 'BYSCORE', 'LIMIT', 0, limit, 'WITHSCORES')
local coming = redis.call('ZRANGE', deadlines, '(' .. now_ms, '+inf', 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
return { now_ms, coming[2] or '', unpack(due) }
