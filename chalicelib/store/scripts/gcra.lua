-- For other scripts, before which it stands: a leaky bucket, as limits.py tells of it.
--
-- measure: how full it is.
-- returns drained_at_us, now_us, and 1 if one more would fit, else 0
--
-- pour: let one more in, if it still fits.
-- returns drained_at_us, now_us, and 1 if it was let in, else 0
local function measure(bucket, time, interval_us, capacity_us)
  local now_us = time[1] * 1000000 + time[2]
  local drained_at_us = tonumber(redis.call('GET', bucket) or now_us)
  -- After a failover time may have stepped back: no bucket is fuller than full.
  drained_at_us = math.min(math.max(drained_at_us, now_us), now_us + capacity_us)
  local fits = drained_at_us + interval_us - now_us <= tonumber(capacity_us)
  return drained_at_us, now_us, fits and 1 or 0
end

local function pour(bucket, time, interval_us, capacity_us)
  local drained_at_us, now_us, fits = measure(bucket, time, interval_us, capacity_us)
  if fits == 1 then
    drained_at_us = drained_at_us + interval_us
    local life_ms = math.ceil((drained_at_us - now_us) / 1000)
    redis.call('SET', bucket, string.format('%d', drained_at_us), 'PX', life_ms)
  end
  return drained_at_us, now_us, fits
end
