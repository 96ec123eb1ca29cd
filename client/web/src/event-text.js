/**
 * Events and errors as text. Pure.
 *
 * @module
 */

import { formatDuration, pluralize } from './durations.js';

/** @import { SessionEvent } from '../../js/src/types.js' */
/** @import { SessionNames } from './names.js' */

/** @typedef {Pick<SessionNames, 'nameOf' | 'ownerOf'>} Names */

/** @type {Record<string, (event: any, names: Names) => string>} */
const EVENT_TEXTS = {
  session_created: () => 'Session created',
  session_started: ({ active_participant_id: id }, { nameOf }) =>
    id ? `Session started. ${nameOf(id)}’s turn` : 'Session started',
  cycle_switched: (event, { nameOf }) => `${nameOf(event.active_participant_id)}’s turn`,
  switch_undone: (event, { nameOf }) =>
    `Switch undone. ${nameOf(event.active_participant_id)}’s turn`,
  session_paused: () => 'Paused',
  session_resumed: () => 'Resumed',
  session_completed: () => 'Completed',
  session_cancelled: () => 'Cancelled',
  session_reopened: () => 'Reopened',
  session_reset: () => 'Reset to the beginning',
  session_updated: ({ fields }) =>
    fields.includes('message') ? 'Message changed' : 'Settings changed',
  session_expired: () => 'Time is up',
  time_adjusted: (event, names) => {
    const { delta_ms } = event;
    // Nothing was left to remove.
    const time = delta_ms ? formatDuration(Math.abs(delta_ms)) : 'No time';
    return `${time} ${delta_ms > 0 ? 'added' : 'removed'}${forOwner(event, names)}`;
  },
  time_extended: ({ delta_ms }) => `Extended by ${formatDuration(delta_ms)}`,
  participant_expired: (event, { ownerOf }) => `${ownerOf(event)} is out of time`,
  participant_started: ({ participant_id: id }, { nameOf }) =>
    `${id ? nameOf(id) : 'All others'} started`,
  participant_finished: ({ participant_id }, { nameOf }) => `${nameOf(participant_id)} finished`,
  participant_joined: ({ participant_id, name }, { nameOf }) =>
    `${name ?? nameOf(participant_id)} joined`,
  participant_withdrawn: ({ participant_id }, { nameOf }) => `${nameOf(participant_id)} withdrew`,
  participant_updated: ({ participant_id, fields }, { nameOf }) =>
    `${fields.includes('time_factor') ? 'Time factor' : 'Name'} of ${nameOf(participant_id)} changed`,
  participant_paused: ({ participant_id }, { nameOf }) => `${nameOf(participant_id)} paused`,
  participant_resumed: ({ participant_id }, { nameOf }) => `${nameOf(participant_id)} resumed`,
  timeouts_skipped: ({ count, active_participant_id }, { nameOf }) =>
    `${pluralize(count, 'more turn')} timed out. ${nameOf(active_participant_id)}’s turn`,
  time_warning: (event, names) =>
    `${formatDuration(event.remaining_ms)} left${forOwner(event, names)}`,
};

/** @type {(event: any, names: Names) => string} */
function forOwner(event, { ownerOf }) {
  const owner = ownerOf(event);
  return owner && ` for ${owner}`;
}

/**
 * @param {SessionEvent} event
 * @param {Names} names
 */
export function eventText(event, names) {
  return EVENT_TEXTS[event.type]?.(event, names) ?? event.type.replaceAll('_', ' ');
}

/**
 * All events of a commit.
 *
 * @param {SessionEvent[]} events
 * @param {Names} names
 */
export const eventsText = (events, names) =>
  events.map((event) => eventText(event, names)).join('. ');

/** @type {Record<string, string>} */
const ERROR_TEXTS = {
  STALE_CYCLE: 'The turn has already changed.',
  CONFLICT: 'The session has just changed. Try again.',
  PARTICIPANT_WITHDRAWN: 'They have withdrawn.',
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
