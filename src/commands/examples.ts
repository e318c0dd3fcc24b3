export const EXAMPLES: Readonly<Record<string, string>> = {
  serve: `$ sbc-sip-sidecar serve --embedded --provision accounts.toml

$ sbc-sip-sidecar serve --check
warning  JAMBONES_REDIS_PASS is not known: did you mean JAMBONES_REDIS_PASSWORD?
ok       drachtio at 127.0.0.1:9022 answers
wrong    Redis at 10.0.0.4:6379 refuses us (NOAUTH Authentication required.); check JAMBONES_REDIS_USERNAME and JAMBONES_REDIS_PASSWORD
away     MySQL at 10.0.0.5:3306 does not answer (connect ECONNREFUSED 10.0.0.5:3306); start it, or check JAMBONES_MYSQL_HOST and JAMBONES_MYSQL_PORT
$ echo $?
2`,
  status: `$ sbc-sip-sidecar status
Version:          1.0.0
Process:          4711
Uptime:           3 h 12 min
Ready:            yes
SIP server:       drachtio 127.0.0.1:9022, up for 3 h 12 min
Store:            Redis 10.0.0.4:6379, up for 3 h 12 min
Accounts:         MySQL 10.0.0.5:3306, up for 3 h 12 min
Alerts:           InfluxDB 10.0.0.6:8086, up for 3 h 12 min
Addresses:        udp/192.0.2.1:5060  tcp/192.0.2.1:5060
Cluster:          default
Registered:       1234 AORs
Feature servers:  2 active, 1 drained
RTP servers:      1
Banned:           2 sources
Lease holder:     this sidecar
Trunks:           2 registered of 3
Gateways:         2 up, 1 down, 0 unknown`,
  'reg list': `$ sbc-sip-sidecar reg list --realm example.com
Registrations:
  AOR                CONTACT                         TRANSPORT  SOURCE               EXPIRES    USER AGENT
  john@example.com   sip:john@192.168.1.20:5060      udp        203.0.113.7:5060     in 48 min  Acme Phone 4.2
  alice@example.com  sip:k7@x.invalid;transport=wss  wss        198.51.100.23:49812  in 9 min   JsSIP 3.13.8

$ sbc-sip-sidecar reg list --source 203.0.113.7 --json
{"bindings":[
{"aor":"john@example.com","contact":"sip:john@192.168.1.20:5060","transport":"udp","source":"203.0.113.7:5060","userAgent":"Acme Phone 4.2","expiresAt":1777889227000}
],"success":true}`,
  'reg show': `$ sbc-sip-sidecar reg show john@example.com
AOR:         john@example.com
Account:     9351f46a-678c-43f5-b8a6-d4eb58d131af (example.com), active
Client:      john, active
Registered:  yes, 1 binding

Contact:          <sip:john@192.168.1.20:5060>
Identity:         sip:john@192.168.1.20:5060
Transport:        udp
Source:           203.0.113.7:5060
User agent:       Acme Phone 4.2
Registered:       12 min ago
Expires:          in 48 min
Call-ID:          a84b4c76e66710
CSeq:             314
SBC address:      udp/192.0.2.1:5060,tcp/192.0.2.1:5060
Private address:  10.0.0.5:5060
Call hook:        -
Status hook:      -
May call:         applications, queues, users

Last refusal:  3 min ago
Reason:        InvalidCredentials: wrong password of john
Response:      403
Source:        203.0.113.7:5062
Transport:     udp
User agent:    Acme Phone 4.2
Call-ID:       0a1b2c3d4e
Banned:        for 4 min`,
  'reg count': `$ sbc-sip-sidecar reg count --by transport
3 bindings of 2 AORs
  TRANSPORT  BINDINGS
  udp               2
  wss               1`,
  'reg remove': `$ sbc-sip-sidecar reg remove john@example.com sip:john@192.168.1.20:5060
✓ Removed from john@example.com, it is offline now:
  sip:john@192.168.1.20:5060`,
  events: `$ sbc-sip-sidecar events --type registered,refused --recent 2
2026-05-04T10:21:07.012Z  registered           john@example.com  presence=online  contact=sip:john@192.168.1.20:5060  source=203.0.113.7:5060  transport=udp  userAgent="Acme Phone 4.2"
2026-05-04T10:21:09.482Z  refused              alice@example.com  reason=UnknownUser  status=403  source=198.51.100.66:5060  transport=udp  callId=99a1
^C`,
  'fs list': `$ sbc-sip-sidecar fs list
Feature servers:
  SERVER          STATE    CALLS  CHECK-IN  SERVICE URL
  10.0.0.10:5060  active      12  4 s ago   http://10.0.0.10:3000
  10.0.0.11:5060  drained      3  9 s ago   http://10.0.0.11:3000`,
  'fs watch': '$ sbc-sip-sidecar fs watch',
  'fs drain': `$ sbc-sip-sidecar fs drain 10.0.0.11 --wait --timeout 30m
✓ Drained 10.0.0.11
Drained servers: [10.0.0.11]
Waiting for 10.0.0.11: 3 calls left
10.0.0.11 has no calls left`,
  'fs undrain': `$ sbc-sip-sidecar fs undrain 10.0.0.11
✓ Undrained 10.0.0.11
Drained servers: []`,
  'fs drained': `$ sbc-sip-sidecar fs drained
Drained servers:
  10.0.0.11`,
  'fs active': `$ sbc-sip-sidecar fs active
Available feature servers:
  10.0.0.10:5060`,
  'trunk list': `$ sbc-sip-sidecar trunk list
Trunks:
  CARRIER  GATEWAY                    STATE       SINCE      EXPIRES    LAST ANSWER    NEXT TRY   SID
  Acme     udp/sip.acme.example       registered  2 min ago  in 58 min  200 OK         in 52 min  4e5a2c6e-9d3b-4f6c-8a71-0f6d2b9c1e34
  Bell     tls/sip.bell.example:5061  failing     9 min ago  -          403 Forbidden  in 20 min  b0c9d1f2-6a47-4f0e-9b55-3c8e7d2a4f10

Not registered:
  CARRIER  WHY                 SID
  Cable    it has no password  0d1e2f3a-4b5c-4d6e-8f70-8192a3b4c5d6`,
  'trunk show': `$ sbc-sip-sidecar trunk show b0c9d1f2-6a47-4f0e-9b55-3c8e7d2a4f10
Carrier:      Bell
Carrier SID:  7c0f3a52-1f6e-4c8e-a2c4-5b1d9e8f7a60
Gateway:      tls/sip.bell.example:5061
Gateway SID:  b0c9d1f2-6a47-4f0e-9b55-3c8e7d2a4f10
Call-ID:      b0c9d1f2-6a47-4f0e-9b55-3c8e7d2a4f10
CSeq:         27392014
Realm:        sip.bell.example
Username:     customer17
Trunk type:   reg
State:        failing
Since:        9 min ago
Expires:      -
Last answer:  403 Forbidden
Next try:     in 20 min
Failures:     3 in a row`,
  'trunk refresh': `$ sbc-sip-sidecar trunk refresh b0c9d1f2-6a47-4f0e-9b55-3c8e7d2a4f10
✓ registering at b0c9d1f2-6a47-4f0e-9b55-3c8e7d2a4f10 now`,
  'gateway list': `$ sbc-sip-sidecar gateway list
Gateways:
  CARRIER  GATEWAY                    STATE  SINCE        LAST ANSWER                      LAST PING    RTT  SID
  Acme     udp/sip.acme.example       up     3 d 4 h ago  200 OK                           4 s ago    18 ms  4e5a2c6e-9d3b-4f6c-8a71-0f6d2b9c1e34
  Bell     tls/sip.bell.example:5061  down   9 min ago    no answer (408 Request Timeout)  4 s ago    31 ms  b0c9d1f2-6a47-4f0e-9b55-3c8e7d2a4f10`,
  'ban list': `$ sbc-sip-sidecar ban list
Bans:
  SOURCE             UNTIL                     LEFT
  203.0.113.66       2026-05-04T10:21:07.000Z  9 min
  2001:db8:0:1::/64  2026-05-04T10:14:30.000Z  2 min`,
  'ban clear': `$ sbc-sip-sidecar ban clear 203.0.113.66
✓ 1 ban lifted: 203.0.113.66`,
  'log level': `$ sbc-sip-sidecar log level debug
✓ debug`,
  config: `$ sbc-sip-sidecar config --changed
  VARIABLE                   FROM         VALUE
  DRACHTIO_HOST              environment  127.0.0.1
  DRACHTIO_PORT              environment  9022
  DRACHTIO_SECRET            environment  [hidden]
  JAMBONES_REDIS_HOST        environment  10.0.0.4
  JAMBONES_LOGLEVEL          log level    debug`,
  set: `$ sbc-sip-sidecar set logLevel debug
✓ logLevel = "debug"`,
  get: `$ sbc-sip-sidecar get logLevel
logLevel = "debug"`,
  list: `$ sbc-sip-sidecar list
Runtime Configuration:
  logLevel = "debug"`,
  reload: '$ sbc-sip-sidecar reload',
  version: `$ sbc-sip-sidecar version
Version:  1.0.0
Commit:   4f1c2d9be07a
Built:    2026-05-04
Bun:      1.4.5`,
  help: '$ sbc-sip-sidecar help fs drain',
  'completion bash': '$ sbc-sip-sidecar completion bash > /etc/bash_completion.d/sbc-sip-sidecar',
  'completion zsh': '$ sbc-sip-sidecar completion zsh > ~/.zfunc/_sbc-sip-sidecar',
  'completion fish': '$ sbc-sip-sidecar completion fish > ~/.config/fish/completions/sbc-sip-sidecar.fish',
};
