-- Have a token not hold any more, nor any that was minted with it, and whoever watches with one
-- count as sent away.
--
-- KEYS  1 revoked  2 connections
-- ARGV  1 token_id
--       2 keep_ms, for how long to remember it
--       3 channel, of the session's updates
-- returns nothing; on the channel stands an empty message: nothing is to be told, but somebody
--         has to leave
local revoked, connections = KEYS[1], KEYS[2]
local token_id, keep_ms, channel = ARGV[1], ARGV[2], ARGV[3]

redis.call('SET', revoked, '', 'PX', keep_ms)
local watchers = redis.call('HGETALL', connections)
for i = 1, #watchers, 2 do
  -- A record that ends with a token has before it the instant until which that holds.
  local place, named = string.match(watchers[i + 1], '^(.*) %d+ (%S+)$')
  if named and string.sub(named .. '.', 1, #token_id + 1) == token_id .. '.' then
    redis.call('HSET', connections, watchers[i], place .. ' 0 ' .. named)
  end
end
redis.call('PUBLISH', channel, '')
