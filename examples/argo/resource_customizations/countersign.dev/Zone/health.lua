-- What the operator makes of the object: it is in force, or it says why not.
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
  if condition.type == "Ready" then
    if condition.status == "True" then
      health.status = "Healthy"
    elseif condition.status == "False" then
      health.status = "Degraded"
    else
      health.status = "Progressing"
    end
    health.message = condition.reason
    if condition.message ~= nil and condition.message ~= "" then
      health.message = condition.reason .. ": " .. condition.message
    end
    return health
  end
end
health.status = "Progressing"
health.message = "the operator has not looked at it yet"
return health
