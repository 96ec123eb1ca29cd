/**
 * From what was filled in to the request that makes a session.
 *
 * Values in, values out, but for the ids, which whoever asks makes.
 *
 * @module
 */

import { inWords, readDuration } from './durations.js';
import { readControl } from './time-controls.js';

/** @import { SyncMode } from '../../js/src/types.js' */

/**
 * The form as it was filled in; times are as people write them.
 *
 * @typedef {object} Form
 * @property {string} title
 * @property {SyncMode} mode
 * @property {string} control of `per_participant` and `per_group`
 * @property {string} cycle how long a turn may take
 * @property {string} total of the whole session
 * @property {string} most where a stopwatch ends
 * @property {'notify' | 'skip_cycle' | 'end_session'} action what happens when a clock runs out
 * @property {string} warnings
 * @property {number} count how many participants there are at least
 * @property {string} names one a line; of teams with the team in front, `Red: Ada`
 * @property {'pass' | 'take'} turn whether a participant's button ends the own turn or begins it
 */

/** @typedef {keyof Form} Field */

export const MOST_PARTICIPANTS = 1_000;
const LEAST_MS = 1_000;
const MOST_MS = 86_400_000;
const METADATA_BYTES = 4_096;

/** The fields that a mode has, besides those that all have. */
export const FIELDS = /** @type {const} */ ({
  per_participant: ['control'],
  per_group: ['control'],
  per_cycle: ['cycle'],
  global: ['total', 'cycle'],
  count_up: ['most'],
});

/** Something in the form can't be understood; `field` says what. */
export class FormError extends Error {
  /**
   * @param {Field} field
   * @param {string} message
   */
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}

/**
 * @param {Form} form
 * @param {() => string} newId
 * @returns {Record<string, unknown>} the body of `POST /v1/sessions`
 * @throws {FormError}
 */
export function requestOf(form, newId) {
  const people = peopleOf(form);
  /** @type {Map<string, string>} */
  const teams = new Map();
  for (const { team } of people) {
    if (team !== undefined && !teams.has(team)) teams.set(team, newId());
  }
  const { title, mode, turn } = form;
  const metadata = {
    ...(title.trim() && { title: title.trim() }),
    ...(form.names.trim() && { names: people.map(({ name }) => name) }),
    ...(teams.size && { teams: [...teams.keys()] }),
    ...(turn === 'take' && { turn }),
  };
  if (new TextEncoder().encode(JSON.stringify(metadata)).length > METADATA_BYTES) {
    throw new FormError('names', 'Together the names are longer than 4 KB; leave some of them out');
  }
  return {
    session_id: newId(),
    sync_mode: mode,
    ...timesOf(form),
    participants: people.map(({ team }) => ({
      participant_id: newId(),
      ...(mode !== 'per_participant' && mode !== 'per_group' && { total_time_ms: bankOf(form) }),
      ...(team !== undefined && { group_id: teams.get(team) }),
    })),
    action_on_timeout: { type: form.action },
    ...(form.warnings.trim() && { warn_at_ms: warningsOf(form.warnings) }),
    metadata,
  };
}

/**
 * What a field means, or what is wrong with it.
 *
 * @param {Form} form
 * @param {Field} field
 */
export function explain(form, field) {
  if (field === 'control') return controlOf(form).words;
  const text = String(form[field]);
  if (field === 'warnings') return text.trim() && warningsOf(text).map(inWords).join(', ');
  return text.trim() ? inWords(durationOf(form, field)) : '';
}

/** @param {Form} form */
function timesOf(form) {
  switch (form.mode) {
    case 'per_participant':
    case 'per_group':
      return { time_control: controlOf(form).text };
    case 'per_cycle':
      return { total_time_ms: bankOf(form), time_per_cycle_ms: durationOf(form, 'cycle') };
    case 'global':
      return {
        total_time_ms: bankOf(form),
        ...(form.cycle.trim() && { time_per_cycle_ms: durationOf(form, 'cycle') }),
      };
    case 'count_up':
      return {
        total_time_ms: bankOf(form),
        ...(form.most.trim() && { max_time_ms: durationOf(form, 'most') }),
      };
  }
}

/** @param {Form} form */
function bankOf(form) {
  if (form.mode === 'per_cycle') return durationOf(form, 'cycle');
  if (form.mode === 'global') return durationOf(form, 'total');
  // A stopwatch without an end still has to have an allocation.
  return form.most.trim() ? durationOf(form, 'most') : MOST_MS;
}

/** @param {Form} form */
function controlOf(form) {
  const control = readControl(form.control);
  if (control) return control;
  throw new FormError('control', 'Write it as 5, 3+2, 10+5x30s, 10+20/5m, 25 d5 or *5');
}

/**
 * @param {Form} form
 * @param {Field} field
 */
function durationOf(form, field) {
  const ms = readDuration(String(form[field]));
  if (ms === null) throw new FormError(field, 'Write it as 5 (minutes), 90s, 1h30m or 2:30');
  if (ms < LEAST_MS || ms > MOST_MS) throw new FormError(field, 'From one second to one day');
  return ms;
}

/** @param {string} text */
function warningsOf(text) {
  const marks = text.split(/[,;]/).map((one) => readDuration(one));
  if (marks.some((mark) => !mark || mark > MOST_MS)) {
    throw new FormError('warnings', 'Write them as 1m, 15s');
  }
  const different = [...new Set(/** @type {number[]} */ (marks))];
  if (different.length > 10) throw new FormError('warnings', 'There may be ten at most');
  return different;
}

/**
 * @param {Form} form
 * @returns {{name: string, team?: string}[]}
 */
function peopleOf({ names, count, mode }) {
  const lines = names.split('\n').map((line) => line.trim());
  while (lines.at(-1) === '') lines.pop();
  const wanted = Math.max(lines.length, count);
  if (!(wanted >= 1 && wanted <= MOST_PARTICIPANTS)) {
    throw new FormError('count', `From 1 to ${MOST_PARTICIPANTS} participants`);
  }
  const all = Array.from({ length: wanted }, (_, index) => lines[index] ?? '');
  if (mode !== 'per_group') return all.map((name) => ({ name }));
  return all.map((line) => {
    const [, team, name] = /^([^:]+):\s*(.*)$/.exec(line) ?? [];
    if (!team) throw new FormError('names', 'Each line begins with the team: “Red: Ada”');
    return { name: name ?? '', team: team.trim() };
  });
}
