-- Read a session's event log, oldest first.
--
-- KEYS  1 events
-- ARGV  1 begin, '-' for the oldest event kept, or '(' and the id to start after
--       2 limit, the maximum number
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
