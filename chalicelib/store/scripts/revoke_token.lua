-- Revoke a token and all tokens minted with it, and mark their connections as revoked.
--
-- KEYS  1 revoked  2 connections
-- ARGV  1 token_id
--       2 keep_ms, how long to keep the revocation
--       3 channel, of the session's updates
-- returns nothing; publishes an empty message, on which relays close revoked connections
local revoked, connections = KEYS[1], KEYS[2]
local token_id, keep_ms, channel = ARGV[1], ARGV[2], ARGV[3]

redis.call('SET', revoked, '', 'PX', keep_ms)
local records = redis.call('HGETALL', connections)
for i = 1, #records, 2 do
  -- A record with a token ends with the token's expiry and id; expiry 0 means revoked.
  local rest, id = string.match(records[i + 1], '^(.*) %d+ (%S+)$')
  if id and string.sub(id .. '.', 1, #token_id + 1) == token_id .. '.' then
    redis.call('HSET', connections, records[i], rest .. ' 0 ' .. id)
  end
end
redis.call('PUBLISH', channel, '')
