-- Nothing is said of an intent that is as it should be.
local health = {}
if obj.metadata.deletionTimestamp ~= nil then
  health.status = "Progressing"
  health.message = "it is being deleted"
  return health
end
if obj.status ~= nil and obj.status.conditions ~= nil then
  for _, condition in ipairs(obj.status.conditions) do
    if condition.type == "Degraded" and condition.status == "True" then
      health.status = "Degraded"
      health.message = condition.reason .. ": " .. condition.message
      return health
    end
  end
end
health.status = "Healthy"
health.message = "it is said"
return health
