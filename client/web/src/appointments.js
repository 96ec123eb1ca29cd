/**
 * When a session starts and ends by itself, as local times of day. Pure.
 *
 * @module
 */

import { STATUS_LABELS } from './primary-action.js';
import { timeOfDay } from './own-clocks.js';

/** @import { SessionState } from '../../js/src/types.js' */

const MAX_AHEAD_MS = 31 * 86_400_000;
/** A minute that has begun can still be chosen. */
const GRACE_MS = 60_000;

/** An appointment can't be kept. */
export class AppointmentError extends Error {
  /**
   * @param {'starts' | 'ends'} field
   * @param {string} message
   */
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}

/**
 * The appointments of two local times, as `datetime-local` inputs have them.
 *
 * @param {{starts: string, ends: string}} local each may be empty
 * @param {number} nowMs
 * @returns {{starts_at: string | null, ends_at: string | null}}
 * @throws {AppointmentError}
 */
export function parseAppointments({ starts, ends }, nowMs) {
  const startsMs = parseLocal('starts', starts, nowMs);
  const endsMs = parseLocal('ends', ends, nowMs);
  if (startsMs !== null && startsMs < nowMs - GRACE_MS) {
    throw new AppointmentError('starts', 'Must not be in the past');
  }
  if (endsMs !== null && endsMs <= nowMs) {
    throw new AppointmentError('ends', 'Must be in the future');
  }
  if (startsMs !== null && endsMs !== null && endsMs <= startsMs) {
    throw new AppointmentError('ends', 'Must be after the start');
  }
  return { starts_at: instantOf(startsMs), ends_at: instantOf(endsMs) };
}

/**
 * @param {'starts' | 'ends'} field
 * @param {string} text
 * @param {number} nowMs
 */
function parseLocal(field, text, nowMs) {
  if (!text.trim()) return null;
  const ms = new Date(text).getTime();
  if (Number.isNaN(ms)) throw new AppointmentError(field, 'Invalid date and time');
  if (ms > nowMs + MAX_AHEAD_MS) {
    throw new AppointmentError(field, 'Must be at most 31 days ahead');
  }
  return ms;
}

/** @param {number | null} ms */
const instantOf = (ms) => (ms === null ? null : new Date(ms).toISOString());

/**
 * The value of a `datetime-local` input, to the minute.
 *
 * @param {string | null | undefined} instant
 */
export function localOf(instant) {
  if (!instant) return '';
  const at = new Date(instant);
  const shifted = new Date(at.getTime() - at.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 16);
}

/**
 * The status of the session, with when it starts or ends by itself.
 *
 * @param {SessionState} state
 * @param {number} nowMs the server's time
 */
export function statusLabel({ status, starts_at, ends_at }, nowMs) {
  const label = STATUS_LABELS[status] ?? '';
  if (status === 'pending' && starts_at) return `Starts at ${timeOfDay(starts_at, nowMs)}`;
  const isLive = status === 'running' || status === 'paused';
  return isLive && ends_at ? `${label} until ${timeOfDay(ends_at, nowMs)}` : label;
}
