// Times are formatted with %.0f, because Lua writes large numbers as 4.2e+15.

/** `precedes` is the same rule as `compareBindings` in binding-json.ts, `same` as `isSameBinding` in sip/binding-identity.ts. */
const SHARED = `
local function is_sip(uri)
  uri = uri:sub(1, 5):lower()
  return uri:sub(1, 4) == 'sip:' or uri == 'sips:'
end

local function text(value)
  if type(value) == 'string' then return value end
end

local function number(value)
  return type(value) == 'number' and value or 0
end

local function binding(json)
  local ok, b = pcall(cjson.decode, json)
  if not ok or type(b) ~= 'table' or type(b.expiryTime) ~= 'number' or type(b.contact) ~= 'string' then return nil end
  local key = text(b.key) or b.contact
  return { json = json, key = key, uri = text(b.uri) or (is_sip(key) and key or b.contact), contact = b.contact,
           sip = is_sip(b.contact), expiry = b.expiryTime, callId = b.callId, cseq = number(b.cseq),
           savedAt = number(b.savedAt), rank = number(b.rank), proxy = b.proxy, protocol = b.protocol,
           accountRealm = text(b.accountRealm) }
end

-- Earlier sidecars store no canonical URI: their contact is compared as it was written.
local function same(a, b)
  if a.key == b.key then return true end
  return (a.key == a.uri or b.key == b.uri) and (a.uri == b.uri or a.contact == b.contact)
end

local function same_in(list, b)
  for _, other in ipairs(list) do
    if same(b, other) then return other end
  end
end

local function precedes(a, b)
  if a.sip ~= b.sip then return a.sip end
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

-- Returns the live bindings in order, and whether there are others, expired or not, than the newest.
local function live(user, others, now)
  local list = {}
  local function add(json)
    local b = json and binding(json)
    if b and b.expiry > now then list[#list + 1] = b end
  end
  add(redis.call('GET', user))
  local jsons = redis.call('HVALS', others)
  for _, json in ipairs(jsons) do add(json) end
  sort(list)
  return list, #jsons > 0
end

local function trim(zset, now)
  local gone = redis.call('ZRANGEBYSCORE', zset, '-inf', string.format('%.0f', now), 'LIMIT', 0, 50)
  if #gone > 0 then redis.call('ZREM', zset, unpack(gone)) end
end

-- had_others: whether there are others than the newest. The index is trimmed whenever it grows.
local function store(list, had_others, now, user, others, active, index, realms, promotions, realm, aor)
  if had_others then
    redis.call('DEL', others)
    redis.call('ZREM', promotions, aor)
  end
  local newest = list[1]
  if not newest then
    redis.call('DEL', user)
    redis.call('ZREM', active, user)
    redis.call('ZREM', index, user)
    return
  end
  local expiry = string.format('%.0f', newest.expiry)
  redis.call('SET', user, newest.json, 'PX', string.format('%.0f', newest.expiry - now))
  redis.call('ZADD', active, expiry, user)
  if redis.call('ZADD', index, expiry, user) == 1 then
    redis.call('SADD', realms, realm)
    trim(index, now)
  end
  if #list == 1 then return end
  local last = 0
  for i = 2, #list do
    redis.call('HSET', others, list[i].key, list[i].json)
    last = math.max(last, list[i].expiry)
  end
  redis.call('PEXPIRE', others, string.format('%.0f', last - now))
  if last > newest.expiry then redis.call('ZADD', promotions, expiry, aor) end
end
`;

/**
 * KEYS user, others, active-user, index, realms, promotions, nonce.
 * ARGV now, realm of the account, aor, call-id, cseq, maximum of contacts, maximum of AORs or '', nonce-count or '', time of
 * the nonce's issue, its life in ms, 'all' or the number of removed bindings, key, uri and contact of each, then of each saved
 * binding, in order of rank, key, uri, contact, expiry, time of saving and JSON.
 * Returns the name of a refusal, after 'replay' the live bindings as JSON, in order; or 'ok', the number of saved bindings, for
 * each '=' and the proxy of the one that it renews or '' when it is new, the number of ended bindings, their JSON, then the live
 * bindings.
 */
export const UPDATE = `${SHARED}
local user, others, active, index, realms, promotions, nonce = unpack(KEYS)
local now, realm, aor, callId, cseq = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local maxContacts, maxAors = tonumber(ARGV[6]), tonumber(ARGV[7])
local count, issuedAt = tonumber(ARGV[8]), tonumber(ARGV[9]) or 0

local function append(reply, list)
  for _, b in ipairs(list) do reply[#reply + 1] = b.json end
  return reply
end

local before, had_others = live(user, others, now)
if count and count <= tonumber(redis.call('GET', nonce) or '0') then return append({ 'replay' }, before) end

local all = ARGV[11] == 'all'
local affected, at = {}, 12
for _ = 1, all and 0 or tonumber(ARGV[11]) do
  affected[#affected + 1] = { key = ARGV[at], uri = ARGV[at + 1], contact = ARGV[at + 2] }
  at = at + 3
end
local saved, after, ended = {}, {}, {}
for i = at, #ARGV, 6 do
  local b = { key = ARGV[i], uri = ARGV[i + 1], contact = ARGV[i + 2], sip = is_sip(ARGV[i + 2]),
              expiry = tonumber(ARGV[i + 3]), savedAt = tonumber(ARGV[i + 4]), json = ARGV[i + 5], rank = #saved }
  saved[#saved + 1] = b
  after[#after + 1] = b
end
local adding = #saved > 0

for _, b in ipairs(before) do
  local successor = same_in(saved, b)
  local is_affected = all or successor or same_in(affected, b)
  if is_affected and b.callId == callId and cseq <= b.cseq and issuedAt <= b.savedAt then return { 'out-of-order' } end
  if successor then successor.renews = '=' .. (text(b.proxy) or '')
  elseif is_affected or (adding and maxContacts == 1) then ended[#ended + 1] = b
  else after[#after + 1] = b end
end
sort(after)
if adding and #after > maxContacts then return { 'too-many-contacts' } end
if adding and maxAors and (maxAors == 0 or #before == 0) then
  if redis.call('ZCOUNT', index, '(' .. ARGV[1], '+inf') >= maxAors then return { 'too-many-aors' } end
end

if count then redis.call('SET', nonce, ARGV[8], 'PX', ARGV[10]) end
-- The index is stale when the newest binding has expired or was saved by an earlier jambonz sidecar.
local function is_stale()
  return after[1] and tonumber(redis.call('ZSCORE', index, user) or '0') ~= after[1].expiry
end
if adding or #after ~= #before or is_stale() then
  store(after, had_others, now, user, others, active, index, realms, promotions, realm, aor)
end
local reply = { 'ok', tostring(#saved) }
for _, b in ipairs(saved) do reply[#reply + 1] = b.renews or '' end
reply[#reply + 1] = tostring(#ended)
return append(append(reply, ended), after)
`;

const INDEX_OF_ACCOUNT = `
-- The index of the account, whose realm the bindings have where it is not the AOR's.
local realm, index = ARGV[2], KEYS[4]
local function find_index(list, prefix)
  local own = list[1] and list[1].accountRealm
  if own then realm, index = own, prefix .. own end
end
`;

/** KEYS user, others, active-user, index of the AOR's realm, realms, promotions. ARGV now, realm, aor, prefix of indexes. */
export const PROMOTE = `${SHARED}${INDEX_OF_ACCOUNT}
local user, others, active, _, realms, promotions = unpack(KEYS)
local now = tonumber(ARGV[1])
local list = live(user, others, now)
find_index(list, ARGV[4])
-- The others may have expired all together: the promotion is done all the same.
store(list, true, now, user, others, active, index, realms, promotions, realm, ARGV[3])
`;

/**
 * KEYS as for PROMOTE. ARGV now, realm, aor, prefix of indexes, proxy, protocol, savedUntil.
 * Returns the number of bindings that remain, then those that are removed as JSON.
 */
export const REMOVE_FROM = `${SHARED}${INDEX_OF_ACCOUNT}
local user, others, active, _, realms, promotions = unpack(KEYS)
local now, savedUntil = tonumber(ARGV[1]), tonumber(ARGV[7])
local before, had_others = live(user, others, now)
local after, reply = {}, { '' }
find_index(before, ARGV[4])
for _, b in ipairs(before) do
  if b.proxy == ARGV[5] and b.protocol == ARGV[6] and b.savedAt <= savedUntil then reply[#reply + 1] = b.json
  else after[#after + 1] = b end
end
if #after < #before then store(after, had_others, now, user, others, active, index, realms, promotions, realm, ARGV[3]) end
reply[1] = tostring(#after)
return reply
`;

/**
 * Takes expired AORs out of active-user; one whose other bindings are live is left to PROMOTE.
 * KEYS active-user. ARGV now, maximum, prefix of the keys of other bindings. Returns the AORs.
 */
export const EXPIRE = `
local gone = {}
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])) do
  local aor = member:sub(#'user:' + 1)
  if redis.call('EXISTS', ARGV[3] .. aor) == 0 then
    redis.call('ZREM', KEYS[1], member)
    gone[#gone + 1] = aor
  end
end
return gone
`;

/**
 * Reconciles the indexes of realms with active-user. KEYS active-user, realms, index of each realm. ARGV for each realm: the
 * realm, number of members, members.
 */
export const REINDEX = `
local active, realms, at = KEYS[1], KEYS[2], 1
local used = {}
for i = 3, #KEYS do
  local index, realm, count = KEYS[i], ARGV[at], tonumber(ARGV[at + 1])
  local members = { unpack(ARGV, at + 2, at + 1 + count) }
  at = at + 2 + count
  local has_member = false
  for _, member in ipairs(members) do
    -- ZMSCORE would be one call, but Redis 6.0 does not have it.
    local right, stored = redis.call('ZSCORE', active, member), redis.call('ZSCORE', index, member)
    has_member = has_member or right
    if right and right ~= stored then redis.call('ZADD', index, right, member)
    elseif stored and not right then redis.call('ZREM', index, member) end
  end
  if has_member or redis.call('EXISTS', index) == 1 then used[#used + 1] = realm
  else redis.call('SREM', realms, realm) end
end
if #used > 0 then redis.call('SADD', realms, unpack(used)) end
`;
