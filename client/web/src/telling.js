/**
 * What happened, in a sentence.
 *
 * Values in, values out.
 *
 * @module
 */

import { inWords } from './durations.js';

/** @import { SessionEvent } from '../../js/src/types.js' */

/** @typedef {{nameOf: (id: unknown) => string}} Names */

/** @type {Record<string, (event: any, names: Names) => string>} */
const SENTENCES = {
  session_created: () => 'The session was made',
  session_started: (event, { nameOf }) => `Started. ${nameOf(event.active_participant_id)} begins`,
  cycle_switched: (event, { nameOf }) => `${nameOf(event.active_participant_id)}’s turn`,
  switch_undone: (event, { nameOf }) =>
    `Taken back. ${nameOf(event.active_participant_id)}’s turn again`,
  session_paused: () => 'Paused',
  session_resumed: () => 'Resumed',
  session_completed: () => 'Completed',
  session_cancelled: () => 'Cancelled',
  session_expired: () => 'Time is up',
  time_adjusted: ({ participant_id, delta_ms }, { nameOf }) => {
    const whose = participant_id ? ` for ${nameOf(participant_id)}` : '';
    return `${inWords(Math.abs(delta_ms))} ${delta_ms < 0 ? 'less' : 'more'}${whose}`;
  },
  participant_expired: (event, { nameOf }) => `${nameOf(event.participant_id)} is out of time`,
  timeouts_skipped: ({ count }) => `${count} more turns ran out`,
  time_warning: (event, { nameOf }) => {
    const whose = event.participant_id ? ` for ${nameOf(event.participant_id)}` : '';
    return `${inWords(event.remaining_ms ?? event.warn_at_ms ?? 0)} left${whose}`;
  },
};

/**
 * @param {SessionEvent} event
 * @param {Names} names
 */
export function sentence(event, names) {
  return SENTENCES[event.type]?.(event, names) ?? event.type.replaceAll('_', ' ');
}

/** @type {Record<string, string>} */
const REFUSALS = {
  STALE_CYCLE: 'Somebody else was faster.',
  CONFLICT: 'Somebody else was faster.',
  PARTICIPANT_EXPIRED: 'No time is left there.',
  INVALID_STATE_TRANSITION: 'That is not possible now.',
  NOT_LIVE: 'Not connected: nothing was sent.',
  CONNECTION_LOST: 'The connection was lost; the clock will show whether it counted.',
  NO_ANSWER: 'No answer came; the clock will show whether it counted.',
  RATE_LIMIT_EXCEEDED: 'Too many at once. Wait a moment.',
  FORBIDDEN: 'This link doesn’t allow that.',
  UNAUTHENTICATED: 'This link is no longer valid.',
};

/**
 * Why something didn't work.
 *
 * @param {unknown} error
 */
export function refusal(error) {
  const { code, message } = /** @type {{code?: string, message?: string}} */ (error);
  return REFUSALS[code ?? ''] ?? message ?? 'That didn’t work.';
}
