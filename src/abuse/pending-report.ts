import type { AbuseReport, Offences } from '../ports/abuse-store.ts';

/** Bound of each kind of entry; further ones are not reported, while the sidecar itself still counts them. */
const MAX_ENTRIES = 10_000;

/** What has been seen since the last report. */
export class PendingReport implements AbuseReport {
  readonly offences = new Map<string, Offences>();
  readonly pardoned = new Set<string>();
  readonly wrongAnswers = new Map<string, number>();
  readonly spentNonces = new Map<string, number>();

  get isEmpty(): boolean {
    return [this.offences, this.pardoned, this.wrongAnswers, this.spentNonces].every(({ size }) => size === 0);
  }

  concerns(source: string): boolean {
    return this.offences.has(source);
  }

  offence(source: string, address: string, points: number): void {
    const before = this.offences.get(source);
    if (before || this.offences.size < MAX_ENTRIES)
      this.offences.set(source, { points: (before?.points ?? 0) + points, address });
  }

  pardon(source: string): void {
    this.offences.delete(source);
    if (this.pardoned.size < MAX_ENTRIES) this.pardoned.add(source);
  }

  wrongAnswer(aor: string): void {
    const before = this.wrongAnswers.get(aor);
    if (before !== undefined || this.wrongAnswers.size < MAX_ENTRIES) this.wrongAnswers.set(aor, (before ?? 0) + 1);
  }

  spentNonce(id: string, end: number): void {
    if (this.spentNonces.size < MAX_ENTRIES) this.spentNonces.set(id, end);
  }

  /** Drops the offences of a source, or of all. */
  forget(source?: string): void {
    if (source === undefined) this.offences.clear();
    else this.offences.delete(source);
  }

  /** This report, which has failed, with what has been seen since. */
  followedBy(later: PendingReport): PendingReport {
    for (const source of later.pardoned) this.pardon(source);
    for (const [source, { points, address }] of later.offences) this.offence(source, address, points);
    for (const [aor, count] of later.wrongAnswers)
      if (this.wrongAnswers.has(aor) || this.wrongAnswers.size < MAX_ENTRIES)
        this.wrongAnswers.set(aor, (this.wrongAnswers.get(aor) ?? 0) + count);
    for (const [id, end] of later.spentNonces) this.spentNonce(id, end);
    return this;
  }
}
