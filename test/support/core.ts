import { Database } from 'bun:sqlite';
import { Abuse } from '../../src/abuse/index.ts';
import { CachedDirectory } from '../../src/adapters/cached/directory.ts';
import { ClientPasswordCipher } from '../../src/adapters/sql/client-password.ts';
import { SqlDirectory } from '../../src/adapters/sql/directory.ts';
import { kyselyOver } from '../../src/adapters/sql/sqlite.ts';
import { SqliteAbuseStore } from '../../src/adapters/sqlite/abuse-store.ts';
import { decryptedDirectory } from '../../src/adapters/sqlite/decrypted.ts';
import { SqliteLocationService } from '../../src/adapters/sqlite/location.ts';
import { SqliteProvisioning } from '../../src/adapters/sqlite/provisioning.ts';
import { SCHEMA } from '../../src/adapters/sqlite/schema.ts';
import { Nonces } from '../../src/digest/nonce.ts';
import type { Alert } from '../../src/ports/alerts.ts';
import { NO_EVENTS, type SidecarEvent } from '../../src/ports/events.ts';
import { NO_METRICS } from '../../src/ports/metrics.ts';
import { parseProvisioning } from '../../src/provision/file.ts';
import type { RegisterRules } from '../../src/register/index.ts';
import { Reporter } from '../../src/register/report.ts';
import { WebhookAuthenticator } from '../../src/webhook/index.ts';
import { unsyncedCommitter } from './committer.ts';
import { RecordingLogger } from './logger.ts';
import { searchForSecrets, secret } from './secrets.ts';
import { sqlServer } from './sql-server.ts';
import { impatient, ManualTimers } from './timers.ts';

const ACCOUNTS = `
[[account]]
realm = "sip.example.com"
[[account.client]]
username = "alice"
password = "${secret('the password of alice', 'wonderland')}"
[[account.client]]
username = "bob"
password = "builder"
allow_direct_user_calling = false
[[account.client]]
username = "gone"
password = "fishing"
active = false
[[account]]
realm = "closed.example.com"
active = false
`;

/** The rules of `register()` on SQLite in memory, with a manual clock. */
export function openCore(changes: Partial<RegisterRules> = {}, toml = ACCOUNTS) {
  const clock = new ManualTimers();
  const logger = new RecordingLogger();
  const alerts: Alert[] = [];
  const database = new Database(':memory:', { strict: true });
  database.run(SCHEMA);
  const cipher = new ClientPasswordCipher('secret', false);
  const provisioning = new SqliteProvisioning(database, cipher);
  provisioning.apply(parseProvisioning(toml, 'test.toml'));
  const directory = new CachedDirectory(
    decryptedDirectory(
      new SqlDirectory(sqlServer(kyselyOver(database), 'SQLite'), 10_000, cipher, clock, logger),
      cipher,
    ),
    { refreshMs: 30_000, staleMs: 3_600_000 },
    clock,
    logger,
  );
  const alertPort = {
    raise(alert: Alert) {
      searchForSecrets('an alert', [JSON.stringify(alert)]);
      alerts.push(alert);
    },
  };
  const policy = { banThreshold: 250, banSeconds: 300, banSet: '' };
  const abuse = new Abuse({
    store: new SqliteAbuseStore(database, policy, clock),
    policy,
    exempt: () => false,
    events: NO_EVENTS,
    timers: clock,
    logger,
  });
  const location = new SqliteLocationService(database, unsyncedCommitter(database), clock, logger);
  const events: SidecarEvent[] = [];
  const rules: RegisterRules = {
    timers: impatient(clock),
    abuse,
    logger,
    reporter: new Reporter({
      events: { emit: (event) => events.push(event) },
      metrics: NO_METRICS,
      timers: clock,
      logger,
    }),
    directory,
    location,
    sipServer: { hostports: 'udp/10.0.0.5:5060,tcp/10.0.0.5:5060', privateAddress: '10.0.0.5:5060' },
    alerts: alertPort,
    nonces: new Nonces('secret', 300_000, clock),
    webhook: new WebhookAuthenticator({
      timeoutMs: 2000,
      concurrency: 100,
      alerts: alertPort,
      metrics: NO_METRICS,
      timers: clock,
      logger,
    }),
    hosting: false,
    algorithms: ['MD5'],
    allowAuthUser: false,
    maxExpires: 0,
    maxContacts: 1,
    limits: { defaultExpires: 3600, minExpires: 0 },
    ...changes,
  };
  return { rules, location, events, clock, logger, alerts, database, provisioning, cipher };
}
