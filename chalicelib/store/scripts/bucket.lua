-- For other scripts, before which it stands: a leaky bucket, as limits.py tells of it.
--
-- pour: let one more in, if it still fits.
-- returns drained_at_us, now_us, and 1 if it was let in, else 0
local function pour(bucket, time, interval_us, most_us)
  local now_us = time[1] * 1000000 + time[2]
  local drained_at_us = tonumber(redis.call('GET', bucket) or now_us)
  -- After a failover time may have stepped back: no bucket is fuller than full.
  drained_at_us = math.min(math.max(drained_at_us, now_us), now_us + most_us)
  if drained_at_us + interval_us - now_us > tonumber(most_us) then
    return drained_at_us, now_us, 0
  end
  drained_at_us = drained_at_us + interval_us
  local life_ms = math.ceil((drained_at_us - now_us) / 1000)
  redis.call('SET', bucket, string.format('%d', drained_at_us), 'PX', life_ms)
  return drained_at_us, now_us, 1
end
