-- Count a request against a rate limit.
--
-- KEYS  1 bucket
-- ARGV  1 interval_us, the cost of a request
--       2 capacity_us, the bucket's capacity
-- returns { drained_at_us, now_us, allowed }, allowed being 1 or 0
local bucket = KEYS[1]
local interval_us, capacity_us = tonumber(ARGV[1]), ARGV[2]

return { consume(bucket, redis.call('TIME'), interval_us, capacity_us) }
