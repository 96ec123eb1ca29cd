-- Keep the receipt of a command that changed nothing, unless it has one.
--
-- KEYS  1 reply
-- ARGV  1 receipt, bytes
--       2 keep_ms, for how long it is kept
-- returns the receipt that was there, or nil
local reply = KEYS[1]
local receipt, keep_ms = ARGV[1], ARGV[2]

return redis.call('SET', reply, receipt, 'NX', 'GET', 'PX', keep_ms)
