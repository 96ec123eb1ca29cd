/**
 * Which clocks can be adjusted in each mode. Pure.
 *
 * @module
 */

import { isFinished } from './primary-action.js';

/** @import { SessionState } from '../../js/src/types.js' */

/**
 * The arguments with which `adjust` names a clock.
 *
 * @param {SessionState} state
 * @param {string} id of a participant, or `session`
 * @returns {Record<string, string> | null} null if the clock can't be adjusted
 */
export function adjustTarget(state, id) {
  if (isFinished(state)) return null;
  switch (state.sync_mode) {
    case 'per_participant':
      return id === 'session' ? null : { participant_id: id };
    case 'simultaneous': {
      // All of them.
      if (id === 'session') return {};
      const one = state.participants.find(({ participant_id }) => participant_id === id);
      return !one || one.clock_state === 'finished' || one.has_withdrawn
        ? null
        : { participant_id: id };
    }
    case 'per_group': {
      const group = state.participants.find((one) => one.participant_id === id)?.group_id;
      return group ? { group_id: group } : null;
    }
    case 'per_cycle':
      return id === state.active_participant_id ? {} : null;
    case 'global':
      return id === 'session' ? {} : null;
    case 'count_up':
      return null;
  }
}
