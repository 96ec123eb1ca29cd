/**
 * The arithmetic of running clocks: what a state shows some time after it was made.
 *
 * Pure. No clock may have run out in between: that is a new version, and only the server makes
 * versions.
 *
 * @module
 */

/** @import { ParticipantState, SessionState } from './types.js' */

/**
 * A participant `elapsedMs` after `state` was made.
 *
 * @param {ParticipantState} participant
 * @param {SessionState} state
 * @param {number} elapsedMs may have a fraction
 * @returns {ParticipantState}
 */
export function participantAt(participant, state, elapsedMs) {
  if (state.status !== 'running' || elapsedMs <= 0) return participant;
  const later = { ...participant };
  if (later.is_active) later[later.is_running ? 'time_used_ms' : 'overtime_ms'] += elapsedMs;
  if (!later.is_running) return later;

  const delayMs = later.delay_remaining_ms ?? 0;
  const countedMs = Math.max(0, elapsedMs - delayMs);
  later.time_remaining_ms = Math.max(0, later.time_remaining_ms - countedMs);
  if (later.delay_remaining_ms != null) {
    later.delay_remaining_ms = Math.max(0, delayMs - elapsedMs);
  }

  const { main_remaining_ms: mainMs, period_remaining_ms: periodLeftMs } = later;
  if (mainMs == null || periodLeftMs == null) return later;
  later.main_remaining_ms = Math.max(0, mainMs - elapsedMs);
  const beyondMs = Math.max(0, elapsedMs - mainMs);
  later.period_remaining_ms = Math.max(0, periodLeftMs - beyondMs);
  const { period_ms: periodMs = 0 } = participant.time_control ?? state.time_control ?? {};
  if (later.periods_left && periodMs) {
    // A period starts when the one before it ends.
    const spentMs = beyondMs + periodMs - periodLeftMs;
    later.periods_left -= Math.floor(spentMs / periodMs);
    later.period_remaining_ms = later.periods_left > 0 ? periodMs - (spentMs % periodMs) : 0;
    later.periods_left = Math.max(0, later.periods_left);
  }
  return later;
}

/**
 * The session clock of `global`.
 *
 * @param {SessionState} state
 * @param {number} elapsedMs
 */
export function sessionRemainingMs(state, elapsedMs) {
  const passedMs = state.status === 'running' ? Math.max(0, elapsedMs) : 0;
  return Math.max(0, (state.session_remaining_ms ?? 0) - passedMs);
}
