/**
 * Lua scripts on the platform's sets of servers and our hash of check-ins. RTP servers have neither service URLs nor a
 * drained set: those keys are ''.
 */

const SHARED = `
local function ip_of(member)
  return member:match('^%[(.*)%]:%d+$') or member:match('^(.*):%d+$') or member
end

local function host_of(url)
  return url:match('^%a+://%[([^%]]+)%]') or url:match('^%a+://([^:/]+)')
end

local function read(json)
  local ok, server = pcall(cjson.decode, json)
  if not ok or type(server) ~= 'table' then return {} end
  if type(server.at) ~= 'number' then server.at = nil end
  if type(server.url) ~= 'string' then server.url = nil end
  return server
end

local function each(checkins)
  local flat, list = redis.call('HGETALL', checkins), {}
  for i = 1, #flat, 2 do list[flat[i]] = read(flat[i + 1]) end
  return list
end

local function is_drained(drained, member)
  return drained ~= '' and redis.call('SISMEMBER', drained, ip_of(member)) == 1
end

-- Keeps the URL while another active server has it.
local function drop_url(url, urls, active, checkins)
  if urls == '' or not url or url == '' then return end
  for member, server in pairs(each(checkins)) do
    if server.url == url and redis.call('SISMEMBER', active, member) == 1 then return end
  end
  redis.call('SREM', urls, url)
end

-- Servers that have not checked in yet are matched by the host of their URL.
local function drop_urls_of(ip, urls, active, checkins)
  for member, server in pairs(each(checkins)) do
    if ip_of(member) == ip then drop_url(server.url, urls, active, checkins) end
  end
  if urls == '' then return end
  for _, url in ipairs(redis.call('SMEMBERS', urls)) do
    if host_of(url) == ip then drop_url(url, urls, active, checkins) end
  end
end

local function take_out(member, server, active, urls, checkins)
  local was = redis.call('SREM', active, member)
  drop_url(server.url, urls, active, checkins)
  return was
end
`;

/**
 * KEYS members, check-ins, service URLs, drained. ARGV member, '1' when open, now, calls or '', URL or ''.
 * Returns 1 when the member joined, -1 when it left, else 0, and the number of members.
 */
export const CHECK_IN = `${SHARED}
local active, checkins, urls, drained = unpack(KEYS)
local member, open, now, calls, url = ARGV[1], ARGV[2] == '1', tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local known = redis.call('HGET', checkins, member)
local before = known and read(known) or {}
local change = 0
if open then
  -- Never move the time back: the clock of another sidecar may be behind.
  local server = { at = math.max(now, before.at or 0), calls = calls, url = url }
  redis.call('HSET', checkins, member, cjson.encode(server))
  if is_drained(drained, member) then
    if take_out(member, before, active, urls, checkins) == 1 then change = -1 end
    drop_url(url, urls, active, checkins)
  else
    change = redis.call('SADD', active, member)
    if url ~= '' then redis.call('SADD', urls, url) end
    if before.url ~= url then drop_url(before.url, urls, active, checkins) end
  end
else
  redis.call('HDEL', checkins, member)
  change = -take_out(member, before, active, urls, checkins)
  drop_url(url, urls, active, checkins)
end
return { change, redis.call('SCARD', active) }
`;

/** KEYS active, check-ins, service URLs, drained. ARGV IP. Returns the drained IPs. */
export const DRAIN = `${SHARED}
local active, checkins, urls, drained = unpack(KEYS)
local ip = ARGV[1]
redis.call('SADD', drained, ip)
for _, member in ipairs(redis.call('SMEMBERS', active)) do
  if ip_of(member) == ip then redis.call('SREM', active, member) end
end
drop_urls_of(ip, urls, active, checkins)
return redis.call('SMEMBERS', drained)
`;

/**
 * KEYS active, check-ins, service URLs, drained. ARGV IP, time since which a server must have checked in.
 * Returns the drained IPs.
 */
export const UNDRAIN = `${SHARED}
local active, checkins, urls, drained = unpack(KEYS)
local ip, since = ARGV[1], tonumber(ARGV[2])
if redis.call('SREM', drained, ip) == 1 then
  for member, server in pairs(each(checkins)) do
    if ip_of(member) == ip and (server.at or 0) >= since then
      redis.call('SADD', active, member)
      if server.url and server.url ~= '' then redis.call('SADD', urls, server.url) end
    end
  end
end
return redis.call('SMEMBERS', drained)
`;

/**
 * KEYS members, check-ins, service URLs, drained, stray URLs. ARGV now, time since which a server must have checked in.
 * Returns the removed members.
 */
export const EXPIRE = `${SHARED}
local active, checkins, urls, drained, strays = unpack(KEYS)
local now, since = ARGV[1], tonumber(ARGV[2])
local servers, gone = each(checkins), {}
for _, member in ipairs(redis.call('SMEMBERS', active)) do
  if is_drained(drained, member) then
    redis.call('SREM', active, member)
    drop_urls_of(ip_of(member), urls, active, checkins)
  elseif not servers[member] then redis.call('HSET', checkins, member, '{"found":true,"at":' .. now .. '}') end
end
for member, server in pairs(servers) do
  if (server.at or 0) < since then
    redis.call('HDEL', checkins, member)
    if take_out(member, server, active, urls, checkins) == 1 then gone[#gone + 1] = member end
  end
end
if urls == '' then return gone end

local named = {}
for member, server in pairs(each(checkins)) do
  if server.url and redis.call('SISMEMBER', active, member) == 1 then named[server.url] = true end
end
local seen = {}
for _, url in ipairs(redis.call('SMEMBERS', urls)) do
  if not named[url] then
    seen[url] = true
    local first = redis.call('HGET', strays, url)
    if not first then redis.call('HSET', strays, url, now)
    elseif tonumber(first) < since then redis.call('SREM', urls, url); seen[url] = nil end
  end
end
for _, url in ipairs(redis.call('HKEYS', strays)) do
  if not seen[url] then redis.call('HDEL', strays, url) end
end
return gone
`;

/** KEYS active, check-ins, drained. Returns the contents of each. */
export const LIST = `
return { redis.call('SMEMBERS', KEYS[1]), redis.call('HGETALL', KEYS[2]), redis.call('SMEMBERS', KEYS[3]) }
`;
