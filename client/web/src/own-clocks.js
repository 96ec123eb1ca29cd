/**
 * Clocks that all run at once, each with its own end (`simultaneous`): their ends as times of day,
 * their order, and the places of a race. Pure.
 *
 * @module
 */

/** @import { ParticipantState, SessionState } from '../../js/src/types.js' */

/**
 * What the clocks are used for, as the session's metadata say: it decides words and order.
 *
 * @typedef {'exam' | 'race' | ''} Use
 */

const DAY_MS = 86_400_000;

/**
 * @param {SessionState} state
 * @returns {Use}
 */
export function useOf({ sync_mode, metadata }) {
  const use = metadata?.['use'];
  return sync_mode === 'simultaneous' && (use === 'exam' || use === 'race') ? use : '';
}

/**
 * The participants, first whose clock ends first. A clock that was finished keeps its place: rows
 * that move as they are tapped are easily mistaken.
 *
 * @param {SessionState} state
 * @param {number} nowMs the server's time
 */
export function inOrderOfEnds({ participants }, nowMs) {
  const ends = new Map(participants.map((one) => [one, endMs(one, nowMs)]));
  return [...participants]
    .sort((one, other) => (ends.get(one) ?? 0) - (ends.get(other) ?? 0))
    .map(({ participant_id }) => participant_id);
}

/**
 * When the clock ends, or would if it ran.
 *
 * @param {ParticipantState} one
 * @param {number} nowMs
 */
function endMs({ deadline_at, finished_at, time_remaining_ms, overtime_ms }, nowMs) {
  if (deadline_at) return Date.parse(deadline_at);
  return (finished_at ? Date.parse(finished_at) : nowMs) + time_remaining_ms - overtime_ms;
}

/**
 * An instant as a local time of day, with the day if it is another.
 *
 * @param {string} instant ISO 8601
 * @param {number} nowMs
 * @param {{locale?: string, timeZone?: string}} [options] by default the device's
 */
export function timeOfDay(instant, nowMs, { locale, timeZone } = {}) {
  const at = new Date(instant);
  /** @type {(date: Date) => string} */
  const day = (date) => date.toLocaleDateString(locale, { timeZone });
  const isFar = Math.abs(at.getTime() - nowMs) > 6 * DAY_MS;
  return at.toLocaleString(locale, {
    hour: 'numeric',
    minute: '2-digit',
    timeZone,
    ...(day(at) !== day(new Date(nowMs)) &&
      (isFar ? { day: 'numeric', month: 'short' } : { weekday: 'short' })),
  });
}

/**
 * What is known of a clock besides its digits: when it ends or ended, and its factor.
 *
 * @param {ParticipantState} one
 * @param {number} nowMs
 */
export function detailOf({ deadline_at, finished_at, time_factor }, nowMs) {
  const instant = deadline_at ?? finished_at;
  return [
    instant ? `${deadline_at ? 'until' : 'at'} ${timeOfDay(instant, nowMs)}` : '',
    factorText(time_factor ?? 1),
  ]
    .filter(Boolean)
    .join(' · ');
}

/** @param {number} factor as `+25 %`; empty for 1 */
export function factorText(factor) {
  const percent = Math.round((factor - 1) * 1_000) / 10;
  if (!percent) return '';
  return `${percent > 0 ? '+' : '−'}${Math.abs(percent)} %`;
}

/** @typedef {{id: string, place: number, time: string}} Result */

/**
 * Who has finished, in the order of their times from start to finish; equal ones share a place.
 *
 * Not the time used: that of a finisher who was tapped by mistake, and went on, lacks the time
 * between.
 *
 * @param {SessionState} state
 * @returns {Result[]}
 */
export function raceResults({ participants }) {
  const finished = participants
    .filter(({ clock_state }) => clock_state === 'finished')
    .map(({ participant_id: id, started_at, finished_at }) => ({
      id,
      ms: Date.parse(finished_at ?? '') - Date.parse(started_at ?? ''),
    }))
    .sort((one, other) => one.ms - other.ms);
  let place = 0;
  return finished.map(({ id, ms }, index) => {
    if (finished[index - 1]?.ms !== ms) place = index + 1;
    return { id, place, time: formatResult(ms) };
  });
}

/** @param {number} ms as `1:02:03.4`, rounded down */
function formatResult(ms) {
  const tenths = Math.floor(ms / 100);
  const twoDigits = (/** @type {number} */ value) => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(tenths / 36_000), Math.floor(tenths / 600) % 60];
  const seconds = `${twoDigits(Math.floor(tenths / 10) % 60)}.${tenths % 10}`;
  return hours ? `${hours}:${twoDigits(minutes)}:${seconds}` : `${minutes}:${seconds}`;
}

/** @param {number} place as `1st` */
export function ordinal(place) {
  const suffixes = { one: 'st', two: 'nd', few: 'rd' };
  const kind = new Intl.PluralRules('en', { type: 'ordinal' }).select(place);
  return `${place}${suffixes[/** @type {keyof typeof suffixes} */ (kind)] ?? 'th'}`;
}

/**
 * The participant whose clock shows the time of the race: who started first of those still running,
 * or else finished last.
 *
 * @param {SessionState} state
 */
export function raceLeader({ participants }) {
  const ofRunning = participants.filter(({ is_active }) => is_active);
  const [first] = (ofRunning.length ? ofRunning : [...participants]).sort(
    (one, other) => other.time_used_ms - one.time_used_ms,
  );
  return first?.participant_id ?? '';
}
