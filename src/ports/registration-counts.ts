/** AORs that have a live binding. */
export interface AorCounts {
  readonly total: number;
  /** Realms of accounts that have any. */
  readonly realms: number;
  /** The largest realms and the AORs in each, the largest first. */
  readonly largest: readonly (readonly [realm: string, aors: number])[];
}

/** Counts the registrations of all sidecars of a cluster. */
export interface RegistrationCounts {
  /**
   * Reads no binding and delays no phone, but takes time for every realm: call it in the background.
   * @param realms the number of realms to name @throws DependencyError
   */
  count(realms: number): Promise<AorCounts>;
}
