/**
 * Sessions that start by themselves: what a client knows before the server says so.
 *
 * Pure. Until the server's message arrives, this is as good as the client's clock: the appointment
 * may have been changed meanwhile, as a running clock may have been paused.
 *
 * @module
 */

import { timestampOf } from './state-merge.js';

/** @import { ParticipantState, SessionState, Snapshot } from './types.js' */

/** @type {(state: SessionState, one: ParticipantState) => boolean} */
const isWaiting = ({ sync_mode }, one) =>
  sync_mode === 'simultaneous' ? one.clock_state === 'waiting' : !one.has_withdrawn;

/**
 * When this participant's clock, or the session's, may begin by itself; NaN if it does not.
 *
 * @param {Snapshot} snapshot
 * @param {ParticipantState} [one]
 */
export function startsAtMs({ state, timestamp }, one) {
  const startsMs = Date.parse(state.starts_at ?? '');
  // Once it has passed, it stays in the state: who comes late is started by hand.
  const isAhead = startsMs > timestamp;
  const isOpen =
    state.status === 'pending' ||
    (state.status === 'running' && state.sync_mode === 'simultaneous');
  const waits = (/** @type {ParticipantState} */ who) => isWaiting(state, who);
  return isAhead && isOpen && (one ? waits(one) : state.participants.some(waits)) ? startsMs : NaN;
}

/**
 * The snapshot with what has started by itself by `nowMs`, the server's time: running since that
 * very instant.
 *
 * @param {Snapshot} snapshot
 * @param {number} nowMs
 * @returns {Snapshot}
 */
export function snapshotAt(snapshot, nowMs) {
  const { state } = snapshot;
  const startsMs = startsAtMs(snapshot);
  if (!(startsMs <= nowMs)) return snapshot;
  const mode = state.sync_mode;
  const isSimultaneous = mode === 'simultaneous';
  const first = state.participants.find((one) => isWaiting(state, one));
  /** @type {Map<string, number>} */
  const participantTimestamps = new Map();
  const participants = state.participants.map((one) => {
    const begins = isSimultaneous ? isWaiting(state, one) : one === first;
    const sharesClock =
      mode === 'global' || (mode === 'per_group' && one.group_id === first?.group_id);
    if (begins || sharesClock) {
      const started = isSimultaneous && { clock_state: 'running', started_at: state.starts_at };
      return /** @type {ParticipantState} */ ({
        ...one,
        is_active: begins,
        is_running: true,
        ...started,
      });
    }
    participantTimestamps.set(one.participant_id, timestampOf(snapshot, one.participant_id));
    return one;
  });
  return {
    ...snapshot,
    timestamp: startsMs,
    participantTimestamps,
    state: {
      ...state,
      status: 'running',
      active_participant_id: (!isSimultaneous && first?.participant_id) || null,
      session_started_at: state.session_started_at ?? state.starts_at,
      participants,
    },
  };
}
