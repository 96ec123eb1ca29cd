-- For other scripts, before which it stands: what comes with a token that does not hold is refused.
--
-- KEYS  last        revoked, there once the token has been; before it those of the tokens that it
--                   was minted with
-- ARGV  last three  valid_from_ms and valid_until_ms, between which it holds, and how many keys
--                   there are that could end it
-- returns { now_ms } and nothing else if it is refused; nothing has been done then. Otherwise
--         the script goes on with the keys and arguments that come before these.
do
  local revocations = tonumber(table.remove(ARGV))
  local valid_until_ms, valid_from_ms = table.remove(ARGV), table.remove(ARGV)
  local is_revoked = false
  for _ = 1, revocations do
    local revoked = table.remove(KEYS)
    is_revoked = redis.call('EXISTS', revoked) == 1 or is_revoked
  end

  local time = redis.call('TIME')
  local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  local is_in_time = tonumber(valid_from_ms) <= now_ms and now_ms < tonumber(valid_until_ms)
  if not is_in_time or is_revoked then
    return { now_ms }
  end
end

