import { attempt } from './attempt.ts';
import type { HeldContacts } from './held-contacts.ts';
import type { AttemptContext, Failed, Outcome, Task } from './task.ts';

const ATTEMPT_MS = 120_000;
/** Un-registering is only a courtesy. */
const UNREGISTER_MS = 5_000;
/** Challenges, timeouts, too short an expiry and too many requests say nothing against a second Contact. */
const NOT_ABOUT_CONTACTS: readonly number[] = [401, 407, 408, 423, 429];

interface RegisteringContext extends AttemptContext {
  readonly contacts: HeldContacts;
}

/** What all requests of one attempt to register or to un-register have in common. */
export type Subject = Omit<Task, 'expires' | 'deadlineMs' | 'held'>;

/**
 * Registers in place of the Contact that the registrar holds: by one request, or, where it refuses that, after that
 * Contact is un-registered.
 * @param expires seconds
 */
export async function register(context: RegisteringContext, subject: Subject, expires: number): Promise<Outcome> {
  const { contacts } = context;
  const held = contacts.of(subject.trunk);
  const task = { ...subject, expires, deadlineMs: ATTEMPT_MS };
  const outcome = await attempt(context, { ...task, held });
  if (outcome.kind !== 'failed' || !mayRefuseReplacing(outcome)) return outcome;
  const { kind } = await unregister(context, subject);
  if (!subject.isCurrent()) return outcome;
  // Refused by a server that is well, it was not there, or stays until it expires: either way ours is tried once more.
  if (kind !== 'granted' && !isAboutRequest(outcome)) return outcome;
  contacts.release(subject.trunk);
  return attempt(context, task);
}

/** Un-registers the Contact that the registrar holds, or else that which we would register. Takes at most 5 s. */
export function unregister(context: RegisteringContext, subject: Subject): Promise<Outcome> {
  const held = context.contacts.of(subject.trunk);
  const contactAt = held === undefined ? subject.contactAt : () => held;
  return attempt(context, { ...subject, contactAt, expires: 0, deadlineMs: UNREGISTER_MS });
}

/** Whether a carrier may have refused a request because it registers one Contact and removes another. */
function mayRefuseReplacing({ replacing, status = 0, retryAfterSeconds }: Failed): boolean {
  return replacing === true && status >= 400 && !NOT_ABOUT_CONTACTS.includes(status) && retryAfterSeconds === undefined;
}

/** Other classes are those of a server that fails, or is too busy. */
function isAboutRequest({ status = 0 }: Failed): boolean {
  return status < 500;
}
