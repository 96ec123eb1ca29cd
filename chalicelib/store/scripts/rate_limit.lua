-- Count a request of somebody against a limit.
--
-- KEYS  1 bucket
-- ARGV  1 interval_us, what one request pours
--       2 capacity_us, what the bucket holds
-- returns { drained_at_us, now_us, let_through }, the last 1 or 0
local bucket = KEYS[1]
local interval_us, capacity_us = tonumber(ARGV[1]), ARGV[2]

return { pour(bucket, redis.call('TIME'), interval_us, capacity_us) }
