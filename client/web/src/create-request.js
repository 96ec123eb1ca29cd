/**
 * Builds the request that creates a session from the values of the form. Pure.
 *
 * @module
 */

import { AppointmentError, parseAppointments } from './appointments.js';
import { asciiOf, formatDuration, parseDuration, pluralize } from './durations.js';
import { TableError, parseTable } from './participant-table.js';
import { parseTimeControl } from './time-controls.js';

/** @import { SyncMode } from '../../js/src/types.js' */
/** @import { Use } from './own-clocks.js' */

/**
 * The values of the form; times are text.
 *
 * @typedef {object} Form
 * @property {string} title
 * @property {SyncMode} mode
 * @property {string} control of `per_participant` and `per_group`
 * @property {string} cycle the time of a turn
 * @property {string} total the time of the session
 * @property {string} max the maximum of a stopwatch
 * @property {'notify' | 'skip_cycle' | 'end_session'} action on timeout
 * @property {string} warnings
 * @property {number} count the minimum number of participants
 * @property {string} names one per line; with teams as `Red: Ada`, with factors as `Ada; 1.25`
 * @property {'give' | 'take'} turn what the participant button does with the turn
 * @property {string} starts the local time at which it starts by itself; empty for none
 * @property {string} ends the same for its end
 * @property {Use} use of `simultaneous`
 * @property {string} extend the time that a turn leaves at least on the session's clock
 */

/** @typedef {keyof Form} Field */

export const MAX_PARTICIPANTS = 1_000;
const MIN_MS = 1_000;
const MAX_MS = 31 * 86_400_000;
const MAX_WARNING_MS = 86_400_000;
const MAX_EXTEND_MS = 3_600_000;
const MAX_METADATA_BYTES = 4_096;
const MAX_NAME_CHARACTERS = 80;
const MAX_WARNINGS = 10;

/** The additional fields of each mode. */
const FIELDS = /** @type {const} */ ({
  per_participant: ['control'],
  per_group: ['control'],
  per_cycle: ['cycle'],
  global: ['total', 'cycle', 'extend'],
  count_up: ['max'],
  simultaneous: ['total', 'use'],
  race: ['max', 'use'],
});

/**
 * The additional fields of the form's mode.
 *
 * @param {Form} form
 * @returns {readonly Field[]}
 */
export const fieldsOf = ({ mode, use }) => FIELDS[isRace({ mode, use }) ? 'race' : mode];

/** @param {Pick<Form, 'mode' | 'use'>} form */
const isRace = ({ mode, use }) => mode === 'simultaneous' && use === 'race';

/** The value of a field is invalid. */
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
 * @param {number} [nowMs]
 * @returns {Record<string, unknown>} the body of `POST /v1/sessions`
 * @throws {FormError}
 */
export function buildCreateRequest(form, newId, nowMs = Date.now()) {
  const participants = parseParticipants(form);
  /** @type {Map<string, string>} */
  const teams = new Map();
  for (const { team } of participants) {
    if (team !== undefined && !teams.has(team)) teams.set(team, newId());
  }
  const { title, mode, turn, use } = form;
  const metadata = {
    ...(title.trim() && { title: title.trim() }),
    ...(mode === 'simultaneous' && use && { use }),
    ...(teams.size && { teams: [...teams.keys()] }),
  };
  if (new TextEncoder().encode(JSON.stringify(metadata)).length > MAX_METADATA_BYTES) {
    throw new FormError('names', 'The teams are longer than 4 KB in total; shorten or remove some');
  }
  return {
    session_id: newId(),
    sync_mode: mode,
    ...timesOf(form),
    ...appointmentsOf(form, nowMs),
    participants: participants.map(({ name, team, factor = 1 }) => ({
      participant_id: newId(),
      ...(name && { name }),
      ...(hasSharedBank(mode) && { total_time_ms: bankMs(form) }),
      ...(factor !== 1 && { time_factor: factor }),
      ...(team !== undefined && { group_id: teams.get(team) }),
    })),
    action_on_timeout: { type: form.action },
    ...(turn === 'take' && mode !== 'simultaneous' && { turn_taking: turn }),
    ...(form.warnings.trim() && { warn_at_ms: parseWarnings(form.warnings) }),
    metadata,
  };
}

/** @param {SyncMode} mode */
const hasSharedBank = (mode) => ['per_cycle', 'global', 'count_up'].includes(mode);

/**
 * The value of a field in words.
 *
 * @param {Form} form
 * @param {Field} field
 * @throws {FormError}
 */
export function describeField(form, field) {
  if (field === 'control') return parseControl(form).words;
  const text = String(form[field]);
  if (field === 'warnings')
    return text.trim() && parseWarnings(text).map(formatDuration).join(', ');
  return text.trim() ? formatDuration(parseField(form, field)) : '';
}

/**
 * All times of the form in words; empty while one of them is invalid.
 *
 * @param {Form} form
 */
export function describeTimes(form) {
  /** @param {Field} field */
  const words = (field) => describeField(form, field);
  try {
    switch (form.mode) {
      case 'per_participant':
      case 'per_group':
        return words('control');
      case 'per_cycle':
        return `${formatDuration(parseField(form, 'cycle'))} per turn`;
      case 'global': {
        const total = `${formatDuration(parseField(form, 'total'))} for all`;
        const cycle = form.cycle.trim() && `${words('cycle')} per turn`;
        const extend = form.extend.trim() && `each turn leaves at least ${words('extend')}`;
        return [total, cycle, extend].filter(Boolean).join(', ');
      }
      case 'count_up':
        return form.max.trim() ? `Counts up to ${words('max')}` : 'Counts up without a limit';
      case 'simultaneous': {
        const participants = pluralize(parseParticipants(form).length, 'participant');
        if (!isRace(form)) return `${participants}: ${describeOwnTimes(form)}`;
        return form.max.trim() ? `${participants}, at most ${words('max')}` : participants;
      }
    }
  } catch (error) {
    if (!(error instanceof FormError)) throw error;
    return '';
  }
}

/**
 * @param {Form} form
 * @param {number} nowMs
 */
function appointmentsOf({ starts, ends }, nowMs) {
  try {
    const { starts_at, ends_at } = parseAppointments({ starts, ends }, nowMs);
    return { ...(starts_at && { starts_at }), ...(ends_at && { ends_at }) };
  } catch (error) {
    if (!(error instanceof AppointmentError)) throw error;
    throw new FormError(error.field, error.message);
  }
}

/**
 * Each allocation in words, with how many have it if there are several.
 *
 * @param {Form} form
 */
function describeOwnTimes(form) {
  /** @type {Map<number, number>} */
  const counts = new Map();
  for (const { factor = 1 } of parseParticipants(form)) {
    counts.set(factor, (counts.get(factor) ?? 0) + 1);
  }
  const times = [...counts].sort(([one], [other]) => one - other);
  return times
    .map(([factor, count]) => {
      const time = formatDuration(allocationMs(form, factor));
      return times.length === 1 ? time : `${count} × ${time}`;
    })
    .join(', ');
}

/**
 * @param {Form} form
 * @param {number} factor with at most three decimals
 */
function allocationMs(form, factor) {
  const ms = Math.ceil((bankMs(form) * Math.round(factor * 1_000)) / 1_000);
  if (ms > MAX_MS) throw new FormError('total', 'The longest time must be at most 31 days');
  return ms;
}

/** @param {Form} form */
function timesOf(form) {
  switch (form.mode) {
    case 'per_participant':
    case 'per_group':
      return { time_control: parseControl(form).text };
    case 'per_cycle':
      return { total_time_ms: bankMs(form), time_per_cycle_ms: parseField(form, 'cycle') };
    case 'global':
      return {
        total_time_ms: bankMs(form),
        ...(form.cycle.trim() && { time_per_cycle_ms: parseField(form, 'cycle') }),
        ...(form.extend.trim() && { soft_close: { extend_to_ms: parseField(form, 'extend') } }),
      };
    case 'count_up':
      return {
        total_time_ms: bankMs(form),
        ...(form.max.trim() && { max_time_ms: parseField(form, 'max') }),
      };
    case 'simultaneous':
      for (const { factor = 1 } of parseParticipants(form)) allocationMs(form, factor);
      return { total_time_ms: bankMs(form) };
  }
}

/** @param {Form} form */
function bankMs(form) {
  if (form.mode === 'per_cycle') return parseField(form, 'cycle');
  if (form.mode === 'global' || (form.mode === 'simultaneous' && !isRace(form)))
    return parseField(form, 'total');
  // The API requires a total time even of a stopwatch or a race without a limit.
  return form.max.trim() ? parseField(form, 'max') : MAX_MS;
}

/** @param {Form} form */
function parseControl(form) {
  const control = parseTimeControl(form.control);
  if (control && 'problem' in control) throw new FormError('control', control.problem);
  if (control) return control;
  throw new FormError(
    'control',
    'Invalid time control. Examples: 5, 3+2, 15 | 10, 40/90+30:30+30, 10+5x30s, 10+20/5m, 25 d5, *5',
  );
}

/**
 * @param {Form} form
 * @param {Field} field
 */
function parseField(form, field) {
  const ms = parseDuration(String(form[field]));
  if (ms === null)
    throw new FormError(field, 'Invalid duration. Examples: 5 (minutes), 90s, 1h30m, 2:30, 7d');
  const [maxMs, max] = field === 'extend' ? [MAX_EXTEND_MS, '1 hour'] : [MAX_MS, '31 days'];
  if (ms < MIN_MS || ms > maxMs) throw new FormError(field, `Must be 1 second to ${max}`);
  return ms;
}

/** @param {string} text */
function parseWarnings(text) {
  const marks = asciiOf(text)
    .split(/[,;]/)
    .map((one) => parseDuration(one));
  if (marks.some((mark) => !mark || mark > MAX_WARNING_MS)) {
    throw new FormError('warnings', 'Invalid duration. Example: 1m, 15s');
  }
  const distinct = [...new Set(/** @type {number[]} */ (marks))];
  if (distinct.length > MAX_WARNINGS) {
    throw new FormError('warnings', `Must be at most ${MAX_WARNINGS}, not ${distinct.length}`);
  }
  return distinct;
}

/**
 * @param {Form} form
 * @returns {{name: string, team?: string, factor?: number}[]}
 */
function parseParticipants({ names, count, mode, use }) {
  const hasFactors = mode === 'simultaneous' && use !== 'race';
  // A tab, as between the cells of a spreadsheet, can't be in a name.
  const rows = hasFactors
    ? readTable(names)
    : names.split('\n').map((line) => ({ name: line.replace(/\p{Cc}+/gu, ' ').trim() }));
  while (rows.at(-1)?.name === '') rows.pop();
  if (rows.length > MAX_PARTICIPANTS) {
    throw new FormError('names', `Must be at most ${MAX_PARTICIPANTS} lines, not ${rows.length}`);
  }
  const total = Math.max(rows.length, count);
  if (!(total >= 1 && total <= MAX_PARTICIPANTS)) {
    throw new FormError('count', `Must be 1 to ${MAX_PARTICIPANTS}`);
  }
  const all = Array.from({ length: total }, (_, index) => rows[index] ?? { name: '' });
  if (mode !== 'per_group') return all.map(checkLength);
  return all.map(({ name: line }, index) => {
    const [, team, name] = /^([^:]+):\s*(.*)$/.exec(line) ?? [];
    if (!team) throw new FormError('names', 'Each line must start with a team, as “Red: Ada”');
    return checkLength({ name: name ?? '', team: team.trim() }, index);
  });
}

/** @type {<T extends {name: string}>(participant: T, index: number) => T} */
function checkLength(participant, index) {
  const { length } = [...participant.name];
  if (length <= MAX_NAME_CHARACTERS) return participant;
  const bound = `at most ${MAX_NAME_CHARACTERS} characters, not ${length}`;
  throw new FormError('names', `Line ${index + 1}: a name has ${bound}`);
}

/** @param {string} text */
function readTable(text) {
  try {
    return parseTable(text);
  } catch (error) {
    if (!(error instanceof TableError)) throw error;
    throw new FormError('names', error.message);
  }
}
