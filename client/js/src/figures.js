/**
 * What a clock shows some time after its state was made: the one formula.
 *
 * Values in, values out. Nothing may have run out in between: that would be
 * another version, and is the server's to say.
 *
 * @module
 */

/** @typedef {import('./types.js').ParticipantState} ParticipantState */
/** @typedef {import('./types.js').SessionState} SessionState */

/**
 * @param {ParticipantState} participant
 * @param {SessionState} state
 * @param {number} elapsed milliseconds since the state was made, whole or not
 * @returns {ParticipantState}
 */
export function participantAt(participant, state, elapsed) {
  if (state.status !== 'running' || elapsed <= 0) return participant;
  const later = { ...participant };
  if (later.is_active) later[later.is_running ? 'time_used_ms' : 'overtime_ms'] += elapsed;
  if (!later.is_running) return later;

  const delay = later.delay_remaining_ms ?? 0;
  later.time_remaining_ms = Math.max(0, later.time_remaining_ms - Math.max(0, elapsed - delay));
  if (later.delay_remaining_ms !== undefined)
    later.delay_remaining_ms = Math.max(0, delay - elapsed);

  const { main_remaining_ms: main, period_remaining_ms: period } = later;
  if (main === undefined || period === undefined) return later;
  later.main_remaining_ms = Math.max(0, main - elapsed);
  const beyond = Math.max(0, elapsed - main);
  later.period_remaining_ms = Math.max(0, period - beyond);
  const { period_ms = 0 } = participant.time_control ?? state.time_control ?? {};
  if (later.periods_left && period_ms) {
    // A period begins when the one before it ends.
    const into = beyond + period_ms - period;
    later.periods_left -= Math.floor(into / period_ms);
    later.period_remaining_ms = later.periods_left > 0 ? period_ms - (into % period_ms) : 0;
    later.periods_left = Math.max(0, later.periods_left);
  }
  return later;
}

/**
 * The session clock of `global`.
 *
 * @param {SessionState} state
 * @param {number} elapsed
 */
export function sessionRemainingMs(state, elapsed) {
  const passed = state.status === 'running' ? Math.max(0, elapsed) : 0;
  return Math.max(0, (state.session_remaining_ms ?? 0) - passed);
}
