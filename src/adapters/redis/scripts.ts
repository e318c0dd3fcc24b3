// Times are formatted with %.0f, because Lua writes large numbers as 4.2e+15.

/** `precedes` is the same rule as `compareBindings` in binding-json.ts. */
const SHARED = `
local function binding(json)
  local ok, b = pcall(cjson.decode, json)
  if not ok or type(b) ~= 'table' or type(b.expiryTime) ~= 'number' then return nil end
  return { json = json, key = b.key or b.contact, contact = b.contact, expiry = b.expiryTime,
           callId = b.callId, cseq = tonumber(b.cseq) or 0, savedAt = tonumber(b.savedAt) or 0,
           rank = tonumber(b.rank) or 0, proxy = b.proxy, protocol = b.protocol }
end

local function precedes(a, b)
  if a.savedAt ~= b.savedAt then return a.savedAt > b.savedAt end
  return a.rank < b.rank
end

-- Insertion sort, because table.sort is not stable.
local function sort(list)
  for i = 2, #list do
    local b, at = list[i], i
    while at > 1 and precedes(b, list[at - 1]) do
      list[at] = list[at - 1]
      at = at - 1
    end
    list[at] = b
  end
end

local function live(user, others, now)
  local list = {}
  local function add(json)
    local b = json and binding(json)
    if b and b.expiry > now then list[#list + 1] = b end
  end
  add(redis.call('GET', user))
  for _, json in ipairs(redis.call('HVALS', others)) do add(json) end
  sort(list)
  return list
end

local function store(list, now, user, others, active, index, realms, promotions, realm, aor)
  local newest = list[1]
  if not newest then
    redis.call('DEL', user, others)
    redis.call('ZREM', active, user)
    redis.call('ZREM', index, user)
    redis.call('ZREM', promotions, aor)
    return
  end
  local expiry = string.format('%.0f', newest.expiry)
  redis.call('SET', user, newest.json, 'PX', string.format('%.0f', newest.expiry - now))
  redis.call('ZADD', active, expiry, user)
  if redis.call('ZADD', index, expiry, user) == 1 then redis.call('SADD', realms, realm) end
  if #list == 1 then
    if redis.call('DEL', others) == 1 then redis.call('ZREM', promotions, aor) end
    return
  end
  local last = 0
  redis.call('DEL', others)
  for i = 2, #list do
    redis.call('HSET', others, list[i].key, list[i].json)
    last = math.max(last, list[i].expiry)
  end
  redis.call('PEXPIRE', others, string.format('%.0f', last - now))
  if last > newest.expiry then redis.call('ZADD', promotions, expiry, aor)
  else redis.call('ZREM', promotions, aor) end
end

local function trim(zset, now)
  local gone = redis.call('ZRANGEBYSCORE', zset, '-inf', string.format('%.0f', now), 'LIMIT', 0, 50)
  if #gone > 0 then redis.call('ZREM', zset, unpack(gone)) end
end
`;

/**
 * KEYS user, others, index, nonce. ARGV now, '1' to count the realm.
 * Returns the number of AORs in the realm, the last nonce-count or '', the newest binding or '', the others.
 */
export const LOOKUP = `
local count = ARGV[2] == '1' and redis.call('ZCOUNT', KEYS[3], '(' .. ARGV[1], '+inf') or 0
local used = KEYS[4] ~= '' and redis.call('GET', KEYS[4])
return { count, used or '', redis.call('GET', KEYS[1]) or '', unpack(redis.call('HVALS', KEYS[2])) }
`;

/**
 * KEYS user, others, active-user, index, realms, promotions, nonce.
 * ARGV now, realm, aor, call-id, cseq, maximum of contacts, maximum of AORs or '', nonce-count or '', life of the nonce
 * in ms, 'all' or the number of removed keys, the removed keys, then the JSON of each saved binding.
 * Returns 'ok' and the live bindings as JSON, in order, or the name of a refusal.
 */
export const UPDATE = `${SHARED}
local user, others, active, index, realms, promotions, nonce = unpack(KEYS)
local now, realm, aor, callId, cseq = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local maxContacts, maxAors = tonumber(ARGV[6]), tonumber(ARGV[7])
local count = tonumber(ARGV[8])
if count and count <= tonumber(redis.call('GET', nonce) or '0') then return { 'replay' } end

local before = live(user, others, now)
local all = ARGV[10] == 'all'
local removed, at = {}, 11
for _ = 1, all and 0 or tonumber(ARGV[10]) do removed[ARGV[at]] = true; at = at + 1 end
local after, replaced = {}, {}
for i = at, #ARGV do
  local b = binding(ARGV[i])
  after[#after + 1] = b
  replaced[b.key] = true
  replaced[b.contact] = true -- the key of a binding saved by an earlier jambonz sidecar
end
local adding = #after > 0

for _, b in ipairs(before) do
  if all or removed[b.key] or replaced[b.key] or (adding and maxContacts == 1) then
    if b.callId == callId and cseq <= b.cseq then return { 'out-of-order' } end
  else
    after[#after + 1] = b
  end
end
sort(after)
if adding and #after > maxContacts then return { 'too-many-contacts' } end
if adding and #before == 0 and maxAors then
  if redis.call('ZCOUNT', index, '(' .. ARGV[1], '+inf') >= maxAors then return { 'too-many-aors' } end
end

if count then redis.call('SET', nonce, ARGV[8], 'PX', ARGV[9]) end
-- The index is stale when the newest binding has expired or was saved by an earlier jambonz sidecar.
local stale = after[1] and tonumber(redis.call('ZSCORE', index, user) or '0') ~= after[1].expiry
if adding or stale or #after ~= #before then store(after, now, user, others, active, index, realms, promotions, realm, aor) end
trim(active, now)
trim(index, now)
local reply = { 'ok' }
for _, b in ipairs(after) do reply[#reply + 1] = b.json end
return reply
`;

/** KEYS user, others, active-user, index, realms, promotions. ARGV now, realm, aor. */
export const PROMOTE = `${SHARED}
local user, others, active, index, realms, promotions = unpack(KEYS)
local now = tonumber(ARGV[1])
store(live(user, others, now), now, user, others, active, index, realms, promotions, ARGV[2], ARGV[3])
`;

/**
 * KEYS user, others, active-user, index, realms, promotions. ARGV now, realm, aor, proxy, protocol, savedUntil.
 * Returns the number removed.
 */
export const REMOVE_FROM = `${SHARED}
local user, others, active, index, realms, promotions = unpack(KEYS)
local now, savedUntil = tonumber(ARGV[1]), tonumber(ARGV[6])
local before, after = live(user, others, now), {}
for _, b in ipairs(before) do
  if not (b.proxy == ARGV[4] and b.protocol == ARGV[5] and b.savedAt <= savedUntil) then after[#after + 1] = b end
end
if #after < #before then store(after, now, user, others, active, index, realms, promotions, ARGV[2], ARGV[3]) end
return #before - #after
`;

/** Reconciles a realm's index with active-user. KEYS active-user, index, realms. ARGV realm, members. */
export const REINDEX = `
local active, index, realms = unpack(KEYS)
local members = {}
for i = 2, #ARGV do members[#members + 1] = ARGV[i] end
local scores = redis.call('ZMSCORE', active, unpack(members))
for i, member in ipairs(members) do
  if scores[i] then redis.call('ZADD', index, scores[i], member) else redis.call('ZREM', index, member) end
end
if redis.call('EXISTS', index) == 1 then redis.call('SADD', realms, ARGV[1])
else redis.call('SREM', realms, ARGV[1]) end
`;
