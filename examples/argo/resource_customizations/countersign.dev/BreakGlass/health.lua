-- A window that is open goes on, one that is over waits for whoever reads what was done in it.
local health = {}
if obj.metadata.deletionTimestamp ~= nil then
  health.status = "Progressing"
  health.message = "it is being deleted"
  return health
end
if obj.status == nil or obj.status.conditions == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  health.status = "Progressing"
  health.message = "the operator has not looked at it yet"
  return health
end
for _, condition in ipairs(obj.status.conditions) do
  if condition.type == "Degraded" and condition.status == "True" then
    health.status = "Degraded"
    health.message = condition.reason .. ": " .. condition.message
    return health
  end
end
for _, condition in ipairs(obj.status.conditions) do
  if condition.type == "Reviewed" then
    if condition.status == "True" then
      health.status = "Healthy"
    elseif obj.status.state == "Open" then
      health.status = "Progressing"
    else
      health.status = "Suspended"
    end
    health.message = condition.reason .. ": " .. condition.message
    return health
  end
end
health.status = "Progressing"
health.message = "the operator has not looked at it yet"
return health
