/**
 * Parses time controls as players write them. Pure.
 *
 * Players write `5+3`, `5 | 3` or `G/5;+3` for five minutes and three seconds; for the server, as
 * in PGN, every plain number is seconds. So what is sent has explicit units. The ranges are those
 * of the server; a test in the browser compares the two.
 *
 * @module
 */

import { asciiOf, formatDuration, parseDuration, pluralize } from './durations.js';

/** @typedef {{text: string, words: string}} Control for the server; in words */
/** @typedef {{problem: string}} OutOfRange which part is out of range, and its range */
/** @typedef {{name: string, min: number, max: number, words: string, orZero?: boolean}} Range */

/**
 * What follows the main time.
 *
 * @typedef {object} Form
 * @property {string} syntax with the groups `time`, `count` and `first`
 * @property {(ms: number, count: number, first: string) => string} text for the server
 * @property {(ms: number, count: number, first: string) => string} words
 * @property {Range} [time] of the group
 * @property {Range} [count] of the group
 * @property {boolean} [hasPeriods] then the main time can be zero
 */

const TIME = '[\\d.,:dhms]+';
const COUNT = '(?<count>\\d+)';
const LAST = `(?<time>${TIME})`;

const MAX_MS = 31 * 86_400_000;
const MAX_STAGES = 10;

const MAIN = { name: 'main time', min: 1_000, max: MAX_MS, words: '1 second to 31 days' };
const STAGE = { ...MAIN, name: 'time of each stage' };
const MOVES = { name: 'number of moves', min: 1, max: 500, words: '1 to 500' };
const MAIN_OR_ZERO = { ...MAIN, orZero: true };
const ADDED = { min: 1, max: 600_000, words: '1 millisecond to 10 minutes' };
const PERIOD = { name: 'period', min: 1_000, max: 3_600_000, words: '1 second to 1 hour' };

/** @type {Form[]} */
const FORMS = [
  { syntax: '', text: () => '', words: () => '' },
  {
    syntax: `\\+${LAST}(?<first>!?)`,
    text: (ms, _, first) => `+${write(ms)}${first}`,
    words: (ms, _, first) =>
      `plus ${inWords(ms)} per move${first && ', one more before the first move'}`,
    time: { ...ADDED, name: 'increment', orZero: true },
  },
  {
    syntax: `\\+${COUNT}x${LAST}`,
    text: (ms, count) => `+${count}x${write(ms)}`,
    words: (ms, count) => `${pluralize(count, 'period')} of ${inWords(ms)}`,
    time: PERIOD,
    count: { name: 'number of periods', min: 1, max: 100, words: '1 to 100' },
    hasPeriods: true,
  },
  {
    syntax: `\\+${COUNT}/${LAST}`,
    text: (ms, count) => `+${count}/${write(ms)}`,
    words: (ms, count) => `${pluralize(count, 'turn')} every ${inWords(ms)}`,
    time: PERIOD,
    count: { name: 'number of turns', min: 1, max: 500, words: '1 to 500' },
    hasPeriods: true,
  },
  {
    syntax: ` d${LAST}`,
    text: (ms) => ` d${write(ms)}`,
    words: (ms) => `with a delay of ${inWords(ms)} per move`,
    time: { ...ADDED, name: 'delay' },
  },
  {
    syntax: ` b${LAST}`,
    text: (ms) => ` b${write(ms)}`,
    words: (ms) => `up to ${inWords(ms)} returned per move`,
    time: { ...ADDED, name: 'time returned' },
  },
];

const HOURGLASS_WORDS = 'time used by one is added to the other';

/**
 * @param {string} text
 * @returns {Control | OutOfRange | null} null if it is not a time control
 */
export function parseTimeControl(text) {
  const normalized = asciiOf(text)
    .replace(/\s*([+x/*|;!])\s*/g, '$1')
    .replace(/\s+/g, ' ')
    .replace('|', '+')
    // As US federations write it: the game in 60 minutes; delay or increment. d0 is no delay.
    .replace(/^g\/([^; ]+)[; ]d ?0$/, '$1')
    .replace(/^g\/([^;]+)$/, '$1')
    .replace(/^g\/([^;]+);d ?/, '$1 d')
    .replace(/^g\/([^;]+);(?:\+|inc ?)/, '$1+');
  if (normalized.startsWith('*')) {
    const ms = parseTime(normalized.slice(1), 'm');
    if (ms === null) return null;
    const control = { text: `*${write(ms)}`, words: `${each(ms)}, ${HOURGLASS_WORDS}` };
    return problemOf(ms, MAIN) ?? control;
  }
  if (/^\d+\//.test(normalized)) return stagesOf(normalized.split(/ ?: ?/));
  const parts = partsOf(normalized);
  if (!parts || 'problem' in parts) return parts;
  const { mainMs, form, follows } = parts;
  const then = form.hasPeriods && mainMs ? `then ${follows}` : follows;
  return { text: parts.text, words: [each(mainMs), then].filter(Boolean).join(', ') };
}

/**
 * The stages of `40/90+30:30+30`. In them, a colon ends a stage, and no time has one.
 *
 * @param {string[]} stages
 * @returns {Control | OutOfRange | null}
 */
function stagesOf(stages) {
  const texts = [];
  const words = [];
  let sumMs = 0;
  for (const [index, stage] of stages.entries()) {
    const isLast = index === stages.length - 1;
    const [, moves = '', control = ''] = /^(?:(\d+)\/)?(.*)$/.exec(stage) ?? [];
    const parts = partsOf(control, STAGE);
    if (!parts || 'problem' in parts) return parts;
    const { mainMs, form, text, follows } = parts;
    if (form.hasPeriods) return null;
    if (!moves && !isLast) {
      return { problem: 'Each stage but the last must have a number of moves, as 40/90' };
    }
    const problem = moves ? problemOf(Number(moves), MOVES) : null;
    if (problem) return problem;
    if (text.endsWith('!') && index) {
      return { problem: 'Only the first stage can have an increment before the first move (!)' };
    }
    const repeats = isLast && moves;
    if (!repeats) sumMs += mainMs;
    const time = [inWords(mainMs), follows, repeats && 'repeated'].filter(Boolean).join(', ');
    texts.push(moves ? `${Number(moves)}/${text}` : text);
    words.push(moves ? `${pluralize(Number(moves), 'move')} in ${time}` : time);
  }
  if (texts.length > MAX_STAGES) return { problem: `There can be at most ${MAX_STAGES} stages` };
  if (sumMs > MAX_MS) return { problem: 'All stages together must be at most 31 days' };
  return { text: texts.join(':'), words: words.join('; then ') };
}

/**
 * @param {string} text
 * @param {Range} [main]
 * @returns {{mainMs: number, form: Form, text: string, follows: string} | OutOfRange | null} the
 *   text for the server, and what follows the main time in words
 */
function partsOf(text, main) {
  for (const form of FORMS) {
    const match = new RegExp(`^(?<main>${TIME})${form.syntax}$`).exec(text);
    if (match) return partsOfForm(form, match.groups ?? {}, main);
  }
  return null;
}

/**
 * @param {Form} form
 * @param {{[group: string]: string}} groups
 * @param {Range} [range]
 */
function partsOfForm(form, { main = '', time = '0', count = '', first = '' }, range) {
  const mainMs = parseTime(main, 'm');
  const ms = parseTime(time, 's');
  if (mainMs === null || ms === null) return null;
  const number = Number(count);
  const problem =
    problemOf(mainMs, range ?? (form.hasPeriods ? MAIN_OR_ZERO : MAIN)) ??
    problemOf(number, form.count) ??
    problemOf(ms, form.time);
  if (problem) return problem;
  const text = write(mainMs) + form.text(ms, number, first);
  return { mainMs, form, text, follows: form.words(ms, number, first) };
}

/**
 * @param {string} text
 * @param {'m' | 's'} unit of a plain number
 */
function parseTime(text, unit) {
  const ms = parseDuration(text, unit);
  // What is rounded to zero is too short; it isn't left out.
  return ms === 0 && /[1-9]/.test(text) ? 0.5 : ms;
}

/**
 * @param {number} value
 * @param {Range} [range]
 * @returns {OutOfRange | null}
 */
function problemOf(value, range) {
  if (!range || (range.orZero && !value)) return null;
  const { name, min, max, words, orZero } = range;
  if (value >= min && value <= max) return null;
  return { problem: `The ${name} must be ${orZero ? '0, or ' : ''}${words}` };
}

/** @param {number} ms */
const each = (ms) => (ms ? `${inWords(ms)} each` : 'No main time');

/**
 * A time to the millisecond, so that the words say what is sent.
 *
 * @param {number} ms
 */
function inWords(ms) {
  if (ms % 1_000 === 0) return formatDuration(ms);
  const secondsMs = ms % 60_000;
  const minutes = ms > secondsMs ? `${formatDuration(ms - secondsMs)} ` : '';
  return minutes + pluralize(secondsMs / 1_000, 'second');
}

/**
 * A time in the server's notation.
 *
 * @param {number} ms
 */
function write(ms) {
  if (!ms) return '0';
  if (ms % 1_000) return `${ms / 1_000}s`;
  const seconds = ms / 1_000;
  /** @type {[number, string][]} */
  const parts = [
    [Math.floor(seconds / 3_600), 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ];
  return parts.map(([count, unit]) => (count ? `${count}${unit}` : '')).join('');
}
