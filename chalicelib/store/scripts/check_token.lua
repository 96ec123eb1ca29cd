-- Token check, prepended to other scripts: rejects calls with a token that is not valid yet (nbf),
-- has expired (exp) or was revoked.
--
-- KEYS  last        revoked, exists once the token is revoked; before it, the keys of the tokens
--                   that it was minted with
-- ARGV  last three  valid_from_ms and valid_until_ms, the token's nbf and exp, and the number of
--                   revocation keys
-- returns { now_ms } alone if the token is rejected; nothing is changed then. Otherwise the
--         script continues with the keys and arguments before these.
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

