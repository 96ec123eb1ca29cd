-- What has happened in a session, oldest first.
--
-- KEYS  1 events
-- ARGV  1 begin, '-' for all that is kept, or '(' and the id behind which to begin
--       2 limit, how many at most
-- returns { id, version, event, id, version, event, ... }, or nil if there is no log
local events = KEYS[1]
local begin, limit = ARGV[1], ARGV[2]

local logged = {}
for _, entry in ipairs(redis.call('XRANGE', events, begin, '+', 'COUNT', limit)) do
  logged[#logged + 1] = entry[1]
  logged[#logged + 1] = entry[2][2]
  logged[#logged + 1] = entry[2][4]
end
if #logged == 0 and redis.call('EXISTS', events) == 0 then
  return false
end
return logged
