-- Argo CD's health of an Instance, and of a Volume. Healthy: it is what its spec says. Suspended: so it is, and what
-- was asked for is Standby or Stopped. Degraded: it waits for somebody to change it. Progressing: all else, and what
-- nobody has looked at yet. Lua 5.1, as Argo CD runs it; `obj` is the object.
local function condition(type)
  for _, one in ipairs((obj.status or {}).conditions or {}) do
    if one.type == type then
      return one
    end
  end
  return { status = "Unknown", message = "no node has looked at it yet" }
end

local function health(status, message)
  return { status = status, message = message }
end

local ready, stalled, reconciling = condition("Ready"), condition("Stalled"), condition("Reconciling")

if obj.metadata.deletionTimestamp ~= nil then
  local waits = table.concat(obj.metadata.finalizers or {}, ", ")
  return health("Progressing", "is being deleted; finalizers: " .. waits)
end
if (obj.status or {}).observedGeneration ~= obj.metadata.generation then
  return health("Progressing", "the last edit has not been looked at yet")
end
if stalled.status == "True" then
  return health("Degraded", stalled.message)
end
-- Ready and still at work: what runs is what was declared, and not all around it.
if reconciling.status == "True" then
  return health("Progressing", reconciling.message)
end
if ready.status ~= "True" then
  return health("Progressing", ready.message)
end
local state = obj.status.state
if state == "Standby" or state == "Stopped" then
  return health("Suspended", ready.message)
end
return health("Healthy", ready.message)
