-- The kernels in Lua (LuaJIT and 5.4): the same algorithms and results as jet/main.jet.

local floor, sqrt, byte = math.floor, math.sqrt, string.byte

local function fib(n)
  if n < 2 then return n end
  return fib(n - 1) + fib(n - 2)
end

local function collatz(n)
  local steps = 0
  for start = 1, n do
    local x = start
    while x ~= 1 do
      if x % 2 == 0 then x = floor(x / 2) else x = 3 * x + 1 end
      steps = steps + 1
    end
  end
  return steps
end

local function sum(rounds)
  local xs = {}
  for i = 0, 9999 do xs[i + 1] = i * 7919 % 10007 end
  local total = 0
  for round = 0, rounds - 1 do
    xs[round % #xs + 1] = round
    for i = 1, #xs do total = total + xs[i] end
  end
  return total
end

local function dot(rounds)
  local a, b = {}, {}
  for i = 0, 9999 do
    a[i + 1] = i % 10 + 0.0
    b[i + 1] = i % 7 + 0.0
  end
  local total = 0.0
  for round = 0, rounds - 1 do
    a[round % #a + 1] = round % 3 + 0.0
    local s = 0.0
    for i = 1, #a do s = s + a[i] * b[i] end
    total = total + s
  end
  return floor(total)
end

local function entry(i, j)
  return 1.0 / (floor((i + j) * (i + j + 1) / 2) + i + 1)
end

local function times(v, out, transposed)
  for i = 0, #v - 1 do
    local s = 0.0
    for j = 0, #v - 1 do
      s = s + (transposed and entry(j, i) or entry(i, j)) * v[j + 1]
    end
    out[i + 1] = s
  end
end

local function spectral_norm(n)
  local u, v, t = {}, {}, {}
  for i = 1, n do u[i], v[i], t[i] = 1.0, 0.0, 0.0 end
  for _ = 1, 10 do
    times(u, t, false)
    times(t, v, true)
    times(v, t, false)
    times(t, u, true)
  end
  local uv, vv = 0.0, 0.0
  for i = 1, n do
    uv = uv + u[i] * v[i]
    vv = vv + v[i] * v[i]
  end
  return floor(sqrt(uv / vv) * 1e9)
end

local function mandelbrot(n)
  local inside = 0
  for py = 0, n - 1 do
    local ci = 2.0 * py / n - 1.0
    for px = 0, n - 1 do
      local cr = 2.0 * px / n - 1.5
      local zr, zi, i = 0.0, 0.0, 0
      while i < 50 and zr * zr + zi * zi <= 4.0 do
        local r = zr * zr - zi * zi + cr
        zi = 2.0 * zr * zi + ci
        zr = r
        i = i + 1
      end
      if i == 50 then inside = inside + 1 end
    end
  end
  return inside
end

local function sieve(n)
  local flags = {}
  for i = 1, n do flags[i] = true end
  local count = 0
  for i = 2, n - 1 do
    if flags[i + 1] then
      count = count + 1
      for k = i + i, n - 1, i do flags[k + 1] = false end
    end
  end
  return count
end

local function matrix(n, seed)
  local rows = {}
  for i = 0, n - 1 do
    local row = {}
    for j = 0, n - 1 do row[j + 1] = (i * seed + j) % 10 + 0.0 end
    rows[i + 1] = row
  end
  return rows
end

local function mat_mul(n)
  local a, b = matrix(n, 3), matrix(n, 7)
  local trace = 0.0
  for i = 1, n do
    local row = a[i]
    for j = 1, n do
      local s = 0.0
      for k = 1, n do s = s + row[k] * b[k][j] end
      if i == j then trace = trace + s end
    end
  end
  return floor(trace)
end

local function place(b, row)
  if row == b.size then return 1 end
  local solutions = 0
  for c = 0, b.size - 1 do
    local r, f = row + c + 1, row - c + b.size + 1
    if not b.columns[c + 1] and not b.rising[r] and not b.falling[f] then
      b.columns[c + 1], b.rising[r], b.falling[f] = true, true, true
      solutions = solutions + place(b, row + 1)
      b.columns[c + 1], b.rising[r], b.falling[f] = false, false, false
    end
  end
  return solutions
end

local function filled(n, value)
  local xs = {}
  for i = 1, n do xs[i] = value end
  return xs
end

local function n_queens(n)
  local columns, rising = filled(n, false), filled(2 * n, false)
  return place({ size = n, columns = columns, rising = rising, falling = filled(2 * n + 1, false) }, 0)
end

local function fannkuch(n)
  local perm, perm1, count = filled(n, 0), filled(n, 0), filled(n, 0)
  for i = 1, n do perm1[i] = i - 1 end
  local most, checksum, r, order = 0, 0, n, 0
  while true do
    while r ~= 1 do
      count[r] = r
      r = r - 1
    end
    for i = 1, n do perm[i] = perm1[i] end
    local flips, k = 0, perm[1]
    while k ~= 0 do
      local i, j = 1, k + 1
      while i < j do
        perm[i], perm[j] = perm[j], perm[i]
        i = i + 1
        j = j - 1
      end
      flips = flips + 1
      k = perm[1]
    end
    if flips > most then most = flips end
    checksum = checksum + (order % 2 == 0 and flips or -flips)
    while true do
      if r == n then return checksum * 1000 + most end
      local first = perm1[1]
      for i = 1, r do perm1[i] = perm1[i + 1] end
      perm1[r + 1] = first
      count[r + 1] = count[r + 1] - 1
      if count[r + 1] > 0 then break end
      r = r + 1
    end
    order = order + 1
  end
end

local function advance(all, dt)
  for i = 1, #all do
    local a = all[i]
    for j = i + 1, #all do
      local b = all[j]
      local dx, dy, dz = a.x - b.x, a.y - b.y, a.z - b.z
      local d2 = dx * dx + dy * dy + dz * dz
      local mag = dt / (d2 * sqrt(d2))
      a.vx = a.vx - dx * b.mass * mag
      a.vy = a.vy - dy * b.mass * mag
      a.vz = a.vz - dz * b.mass * mag
      b.vx = b.vx + dx * a.mass * mag
      b.vy = b.vy + dy * a.mass * mag
      b.vz = b.vz + dz * a.mass * mag
    end
  end
  for i = 1, #all do
    local b = all[i]
    b.x = b.x + dt * b.vx
    b.y = b.y + dt * b.vy
    b.z = b.z + dt * b.vz
  end
end

local function truncated(x)
  return x < 0 and -floor(-x) or floor(x)
end

local function n_body(steps)
  local all = {}
  for i = 0, 4 do
    local f = i + 0.0
    all[i + 1] = {
      x = f * 3.1 + 0.5, y = f * 1.7 - 2.0, z = 0.25 * f,
      vx = 0.01 * f, vy = 0.02 * (4.0 - f), vz = 0.005 * f, mass = 1.0 / (1.0 + f),
    }
  end
  for _ = 1, steps do advance(all, 0.001) end
  local e = 0.0
  for i = 1, #all do
    local a = all[i]
    e = e + 0.5 * a.mass * (a.vx * a.vx + a.vy * a.vy + a.vz * a.vz)
    for j = i + 1, #all do
      local b = all[j]
      local dx, dy, dz = a.x - b.x, a.y - b.y, a.z - b.z
      e = e - a.mass * b.mass / sqrt(dx * dx + dy * dy + dz * dz)
    end
  end
  return truncated(e * 1e9)
end

local function build(depth)
  if depth == 0 then return {} end
  return { left = build(depth - 1), right = build(depth - 1) }
end

local function check(tree)
  if not tree.left then return 1 end
  return 1 + check(tree.left) + check(tree.right)
end

local function binary_trees(depth)
  local kept = build(depth)
  local total = 0
  for d = 4, depth, 2 do
    for _ = 1, floor(2 ^ (depth - d + 4)) do total = total + check(build(d)) end
  end
  return total + check(kept)
end

local function storage(rounds)
  local total = 0
  for _ = 1, rounds do
    local seed, made = 74755, 0
    local function grow(depth)
      made = made + 1
      local parts = {}
      if depth == 1 then
        seed = (seed * 1309 + 13849) % 65536
        for i = 1, seed % 10 + 1 do parts[i] = 0 end
        return parts
      end
      for i = 1, 4 do parts[i] = grow(depth - 1) end
      return parts
    end
    local function size_of(store)
      if type(store[1]) == "number" then return #store end
      local n = 0
      for i = 1, #store do n = n + size_of(store[i]) end
      return n
    end
    local store = grow(7)
    total = total + made + size_of(store)
  end
  return total
end

local function connect(from, to)
  local edge = { from = from, to = to }
  from.out[#from.out + 1] = edge
  to.into[#to.into + 1] = edge
end

local function graph(n)
  local all, by_id = {}, {}
  for i = 0, n - 1 do
    local v = { id = i * 3, out = {}, into = {}, number = -1 }
    all[i] = v
    by_id[i * 3] = v
  end
  for i = 1, n - 1 do
    connect(all[floor((i - 1) / 2)], all[i])
    connect(all[i], by_id[i * 7919 % n * 3])
  end
  local stack, top, next_number = { all[0] }, 1, 0
  while top > 0 do
    local v = stack[top]
    stack[top] = nil
    top = top - 1
    if v.number < 0 then
      v.number = next_number
      next_number = next_number + 1
      for k = 1, #v.out do
        local to = v.out[k].to
        if to.number < 0 then
          top = top + 1
          stack[top] = to
        end
      end
    end
  end
  local total = 0
  for i = 0, n - 1 do
    local v = all[i]
    total = total + v.number % 7 * #v.out + #v.into
  end
  return total
end

local function int_map(n)
  local map = {}
  for i = 0, n - 1 do map[i * 7919 % 1000003] = i end
  local total = 0
  for i = 0, 2 * n - 1 do total = total + (map[i * 7919 % 1000003] or 1) end
  for i = 0, n - 1 do
    local k = i % 1000
    map[k] = (map[k] or 0) + 1
  end
  for i = 0, 999 do total = total + map[i] end
  return total
end

local function string_map(n)
  local map, total = {}, 0
  for i = 0, n - 1 do map["key" .. i * 7919 % 100003] = i end
  for _ in pairs(map) do total = total + 1 end
  for i = 0, 2 * n - 1 do total = total + (map["key" .. i] or 1) end
  return total
end

local function string_build(n)
  local total = 0
  for round = 0, 9 do
    local parts = {}
    for i = 0, n - 1 do
      parts[#parts + 1] = "item "
      parts[#parts + 1] = tostring(i + round)
      parts[#parts + 1] = ","
    end
    local text = table.concat(parts)
    for i = 1, #text do
      if byte(text, i) == 44 then total = total + 1 end
    end
    total = total + #text
  end
  return total
end

local function map(xs, f)
  local out = {}
  for i = 1, #xs do out[i] = f(xs[i]) end
  return out
end

local function filter(xs, f)
  local out = {}
  for i = 1, #xs do
    if f(xs[i]) then out[#out + 1] = xs[i] end
  end
  return out
end

local function fold(xs, a, f)
  for i = 1, #xs do a = f(a, xs[i]) end
  return a
end

local function closures(rounds)
  local xs = {}
  for i = 1, 1000 do xs[i] = i - 1 end
  local total = 0
  for round = 0, rounds - 1 do
    local tripled = map(xs, function(x) return x * 3 + round end)
    local even = filter(tripled, function(x) return x % 2 == 0 end)
    total = total + fold(even, 0, function(a, x) return (a + x) % 1000003 end)
  end
  return total
end

local function lazy_range(n)
  local i = -1
  return function()
    i = i + 1
    if i < n then return i end
  end
end

local function lazy_map(xs, f)
  return function()
    local x = xs()
    if x ~= nil then return f(x) end
  end
end

local function lazy_filter(xs, f)
  return function()
    for x in xs do
      if f(x) then return x end
    end
  end
end

local function lazy_take(xs, n)
  return function()
    n = n - 1
    if n >= 0 then return xs() end
  end
end

local function iterators(rounds)
  local total = 0
  for round = 0, rounds - 1 do
    local tripled = lazy_map(lazy_range(1000), function(x) return x * 3 + round end)
    local even = lazy_filter(tripled, function(x) return x % 2 == 0 end)
    local a = 0
    for x in lazy_take(even, 400) do a = (a + x) % 1000003 end
    total = total + a
  end
  return total
end

local function class(area)
  return { __index = { area = area } }
end

local Square = class(function(s) return s.side * s.side end)
local Rect = class(function(s) return s.width * s.height end)
local Triangle = class(function(s) return floor(s.base * s.height / 2) end)
local Dot = class(function() return 1 end)

local function dispatch(rounds)
  local shapes = {}
  for i = 0, 999 do
    local kind, shape = i * 7 % 4, nil
    if kind == 0 then shape = setmetatable({ side = i % 10 }, Square)
    elseif kind == 1 then shape = setmetatable({ width = i % 10, height = i % 7 }, Rect)
    elseif kind == 2 then shape = setmetatable({ base = i % 9, height = i % 5 }, Triangle)
    else shape = setmetatable({}, Dot) end
    shapes[i + 1] = shape
  end
  local total = 0
  for _ = 1, rounds do
    for i = 1, #shapes do total = total + shapes[i]:area() end
  end
  return total
end

-- Value, or nil with what is wrong.
local function number(s)
  if #s == 0 then return nil, "empty" end
  local n = 0
  for i = 1, #s do
    local d = byte(s, i) - 48
    if d < 0 or d > 9 then return nil, i - 1 end
    n = n * 10 + d
  end
  return n
end

local function pair(s)
  local comma = s:find(",", 1, true)
  if not comma then return nil, "empty" end
  local a, wrong = number(s:sub(1, comma - 1))
  if not a then return nil, wrong end
  local b
  b, wrong = number(s:sub(comma + 1))
  if not b then return nil, wrong end
  return a, b
end

local function parse(rounds)
  local lines = { "12,345", "7,x", "", "99999,1", "1,2", ",5", "4096,65536", "31,4a1", "5,", "100,200" }
  local total = 0
  for _ = 1, rounds do
    for i = 1, #lines do
      local a, b = pair(lines[i])
      if a then total = total + a % 1000 + b % 1000
      elseif b == "empty" then total = total + 1
      else total = total + b end
    end
  end
  return total
end

local kernels = {
  Fib = fib, Collatz = collatz, Sum = sum, Dot = dot, SpectralNorm = spectral_norm,
  Mandelbrot = mandelbrot, Sieve = sieve, MatMul = mat_mul, NQueens = n_queens,
  Fannkuch = fannkuch, NBody = n_body, BinaryTrees = binary_trees, Storage = storage,
  Graph = graph, IntMap = int_map,
  StringMap = string_map, StringBuild = string_build, Closures = closures,
  Iterators = iterators, Dispatch = dispatch, Parse = parse,
}

local name, iterations, size = ...
local kernel = kernels[name]
if not kernel then
  io.stderr:write("error: NAME [ITERATIONS [SIZE]]\n")
  os.exit(2)
end
for _ = 1, tonumber(iterations or 1) do
  local start = os.clock()
  local result = kernel(math.floor(tonumber(size or 1)))
  local us = (os.clock() - start) * 1e6
  print(string.format("%s: iterations=1 runtime: %.0fus", name, us))
  print(string.format("%s: result: %.0f", name, result))
end
