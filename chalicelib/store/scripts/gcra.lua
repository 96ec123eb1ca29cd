-- GCRA rate limiter, prepended to other scripts; rate_limit/limiter.py explains the algorithm.
--
-- measure: read the bucket without consuming.
-- returns drained_at_us, now_us, and 1 if one more is allowed, else 0
--
-- consume: count one more, if it is allowed.
-- returns drained_at_us, now_us, and 1 if it was allowed, else 0
local function measure(bucket, time, interval_us, capacity_us)
  local now_us = time[1] * 1000000 + time[2]
  local drained_at_us = tonumber(redis.call('GET', bucket) or now_us)
  -- Time can step back in a failover: cap the bucket at its capacity.
  drained_at_us = math.min(math.max(drained_at_us, now_us), now_us + capacity_us)
  local allowed = drained_at_us + interval_us - now_us <= tonumber(capacity_us)
  return drained_at_us, now_us, allowed and 1 or 0
end

local function consume(bucket, time, interval_us, capacity_us)
  local drained_at_us, now_us, allowed = measure(bucket, time, interval_us, capacity_us)
  if allowed == 1 then
    drained_at_us = drained_at_us + interval_us
    local ttl_ms = math.ceil((drained_at_us - now_us) / 1000)
    redis.call('SET', bucket, string.format('%d', drained_at_us), 'PX', ttl_ms)
  end
  return drained_at_us, now_us, allowed
end
