/**
 * What identifies a state of a session.
 *
 * Pure. A version number alone does not identify a state: after a failover that lost versions,
 * the server counts the same numbers again. A StateVersion without fields stands for no session.
 *
 * @module
 */

/** @import { Snapshot, StateVersion } from './types.js' */

/** @type {(snapshot: Snapshot | null) => StateVersion} */
export const stateVersionOf = (snapshot) =>
  snapshot
    ? {
        epoch: snapshot.epoch,
        version: snapshot.version,
        updatedAt: snapshot.state.updated_at,
      }
    : {};

/** @type {(one: StateVersion, other: StateVersion) => boolean} */
export const isSameVersion = (one, other) =>
  one.epoch === other.epoch && one.version === other.version && one.updatedAt === other.updatedAt;

/**
 * Whether `other` is the same version or a later one of the same epoch.
 *
 * @type {(one: StateVersion, other: StateVersion) => boolean}
 */
export const isCoveredBy = (one, other) =>
  isSameVersion(one, other) ||
  (one.epoch === other.epoch && (one.version ?? 0) < (other.version ?? 0));
