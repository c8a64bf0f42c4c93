-- Tables, closures and strings, with the collector at work all the time.
local count = tonumber(arg[1])

local function tree(depth)
  if depth == 0 then return {value = 1} end
  return {left = tree(depth - 1), right = tree(depth - 1), value = depth}
end

local function sum(node)
  if not node then return 0 end
  return node.value + sum(node.left) + sum(node.right)
end

local index, total = {}, 0
for i = 1, count do
  local name = "key" .. (i * 7919 % 100003)
  local entry = {name = name, list = {i, i + 1, i + 2}, get = function() return i end}
  index[name] = entry
  total = total + entry.get() % 7
  if i % 4 == 0 then index["key" .. (i * 6607 % 100003)] = nil end
  if i % 2000 == 0 then total = total + sum(tree(10)) end
end

local parts = {}
for name, entry in pairs(index) do
  if #entry.list == 3 then parts[#parts + 1] = name .. "=" .. entry.list[1] end
end
table.sort(parts)
print(total, #parts, #table.concat(parts, "\n"))
