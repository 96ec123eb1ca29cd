/**
 * Builds session states, with defaults for tests.
 *
 * @module
 */

/** @import { SessionState } from '../../js/src/types.js' */

/**
 * A running session of Ada, Ben and Cleo in two teams; it is Ada's turn.
 *
 * @param {Record<string, unknown>} [changes]
 * @returns {SessionState}
 */
export function makeState(changes) {
  return /** @type {any} */ ({
    sync_mode: 'per_participant',
    status: 'running',
    active_participant_id: 'a',
    time_per_cycle_ms: null,
    metadata: { names: ['Ada', 'Ben', 'Cleo'], teams: ['Red', 'Blue'] },
    participants: ['a', 'b', 'c'].map((participant_id, index) => ({
      participant_id,
      group_id: ['red', 'blue', 'red'][index],
    })),
    ...changes,
  });
}
