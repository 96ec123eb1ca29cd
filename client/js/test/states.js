/**
 * Sessions as the server shows them, with as little said as a test needs.
 *
 * @module
 */

/** @typedef {import('../src/types.js').Held} Held */
/** @typedef {import('../src/types.js').ParticipantState} ParticipantState */
/** @typedef {import('../src/types.js').SessionState} SessionState */

/**
 * @param {string} participant_id
 * @param {Partial<ParticipantState>} [more]
 * @returns {ParticipantState}
 */
export function aParticipant(participant_id, more) {
  return {
    participant_id,
    participant_index: 0,
    group_id: null,
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

/**
 * @param {ParticipantState[]} participants
 * @param {Partial<SessionState>} [more]
 * @returns {SessionState}
 */
export function aState(participants, more) {
  return {
    session_id: 's',
    sync_mode: 'per_participant',
    status: 'running',
    version: 1,
    participants,
    active_participant_id: participants.find((one) => one.is_active)?.participant_id ?? null,
    total_time_ms: 60_000,
    time_per_cycle_ms: null,
    max_time_ms: null,
    time_control: null,
    warn_at_ms: [],
    deadline_at: null,
    ...more,
  };
}

/** Somebody whose clock runs. */
export const RUNNING = { is_active: true, is_running: true };

/**
 * @param {SessionState} state
 * @param {Partial<Held>} [more]
 * @returns {Held}
 */
export function heldNow(state, more) {
  return { epoch: 'e', version: state.version, timestamp: 0, state, ...more };
}
