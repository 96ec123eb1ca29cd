-- Save the idempotency record of a command that changed nothing, unless there is one.
--
-- KEYS  1 reply
-- ARGV  1 record, bytes
--       2 keep_ms, its time to live
-- returns the existing record, or nil
local reply = KEYS[1]
local record, keep_ms = ARGV[1], ARGV[2]

return redis.call('SET', reply, record, 'NX', 'GET', 'PX', keep_ms)
