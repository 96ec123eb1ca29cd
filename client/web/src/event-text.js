/**
 * Events and errors as text. Pure.
 *
 * @module
 */

import { formatDuration } from './durations.js';

/** @import { SessionEvent } from '../../js/src/types.js' */

/** @typedef {{nameOf: (id: unknown) => string}} Names */

/** @type {Record<string, (event: any, names: Names) => string>} */
const EVENT_TEXTS = {
  session_created: () => 'Session created',
  session_started: (event, { nameOf }) =>
    `Session started. ${nameOf(event.active_participant_id)}’s turn`,
  cycle_switched: (event, { nameOf }) => `${nameOf(event.active_participant_id)}’s turn`,
  switch_undone: (event, { nameOf }) =>
    `Switch undone. ${nameOf(event.active_participant_id)}’s turn`,
  session_paused: () => 'Paused',
  session_resumed: () => 'Resumed',
  session_completed: () => 'Completed',
  session_cancelled: () => 'Cancelled',
  session_expired: () => 'Time is up',
  time_adjusted: ({ participant_id, delta_ms }, { nameOf }) => {
    const whose = participant_id ? ` for ${nameOf(participant_id)}` : '';
    return `${formatDuration(Math.abs(delta_ms))} ${delta_ms < 0 ? 'removed' : 'added'}${whose}`;
  },
  participant_expired: (event, { nameOf }) => `${nameOf(event.participant_id)} is out of time`,
  timeouts_skipped: ({ count }) => `${count} more turns timed out`,
  time_warning: (event, { nameOf }) => {
    const whose = event.participant_id ? ` for ${nameOf(event.participant_id)}` : '';
    return `${formatDuration(event.remaining_ms ?? event.warn_at_ms ?? 0)} left${whose}`;
  },
};

/**
 * @param {SessionEvent} event
 * @param {Names} names
 */
export function eventText(event, names) {
  return EVENT_TEXTS[event.type]?.(event, names) ?? event.type.replaceAll('_', ' ');
}

/** @type {Record<string, string>} */
const ERROR_TEXTS = {
  STALE_CYCLE: 'The turn has already changed.',
  CONFLICT: 'The session has just changed. Try again.',
  PARTICIPANT_EXPIRED: 'No time is left on this clock.',
  INVALID_STATE_TRANSITION: 'Not possible right now.',
  NOT_LIVE: 'Not connected. Nothing was sent.',
  CONNECTION_LOST: 'Connection lost. The clock will show whether it worked.',
  NO_ANSWER: 'No answer. The clock will show whether it worked.',
  RATE_LIMIT_EXCEEDED: 'Too many requests. Wait a moment.',
  FORBIDDEN: 'This link doesn’t allow that.',
  UNAUTHENTICATED: 'This link is no longer valid.',
};

/** @param {unknown} error */
export function errorText(error) {
  const { code, message } = /** @type {{code?: string, message?: string}} */ (error);
  return ERROR_TEXTS[code ?? ''] ?? message ?? 'Something went wrong.';
}
