-- A ticket that waits for people holds a sync up, and one that ended without the change needs somebody.
local health = {}
if obj.metadata.deletionTimestamp ~= nil then
  health.status = "Progressing"
  health.message = "it is being deleted"
  return health
end
if obj.status == nil or obj.status.state == nil then
  health.status = "Progressing"
  health.message = "the operator has not looked at it yet"
  return health
end
local states = {
  Pending = "Suspended",
  Approved = "Healthy",
  Claimed = "Progressing",
  Consumed = "Healthy",
  Cancelled = "Healthy",
  Superseded = "Healthy",
}
health.status = states[obj.status.state] or "Degraded"
health.message = obj.status.state
if obj.status.resolution ~= nil then
  health.message = obj.status.state .. ": " .. obj.status.resolution
end
return health
