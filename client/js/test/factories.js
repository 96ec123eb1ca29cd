/**
 * Builds session states as the server sends them, with defaults for tests.
 *
 * @module
 */

/** @import { ParticipantState, SessionState, Snapshot } from '../src/types.js' */

/**
 * @param {string} participant_id
 * @param {Partial<ParticipantState>} [more]
 * @returns {ParticipantState}
 */
export function makeParticipant(participant_id, more) {
  return {
    participant_id,
    participant_index: 0,
    total_time_ms: 60_000,
    time_used_ms: 0,
    time_remaining_ms: 60_000,
    overtime_ms: 0,
    cycle_count: 0,
    is_active: false,
    is_running: false,
    has_expired: false,
    ...more,
  };
}

/** The `updated_at` of a version, unless a test sets another. */
export const updatedAtOf = (/** @type {number} */ version) => `updated at ${version}`;

/**
 * @param {ParticipantState[]} participants
 * @param {Partial<SessionState>} [more]
 * @returns {SessionState}
 */
export function makeState(participants, more) {
  return {
    session_id: 's',
    sync_mode: 'per_participant',
    status: 'running',
    version: 1,
    participants,
    active_participant_id: participants.find((one) => one.is_active)?.participant_id ?? null,
    total_time_ms: 60_000,
    updated_at: updatedAtOf(more?.version ?? 1),
    deadline_at: null,
    ...more,
  };
}

/** The fields of a participant whose clock is running. */
export const RUNNING = { is_active: true, is_running: true };

/**
 * A snapshot with the timestamp 0.
 *
 * @param {SessionState} state
 * @param {Partial<Snapshot>} [more]
 * @returns {Snapshot}
 */
export function makeSnapshot(state, more) {
  return { epoch: 'e', version: state.version, timestamp: 0, state, ...more };
}
