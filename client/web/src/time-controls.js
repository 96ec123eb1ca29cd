/**
 * Parses time controls as players write them. Pure.
 *
 * Players write `5+3`, `5 | 3` or `G/5;+3` for five minutes and three seconds; for the server, as
 * in PGN, every plain number is seconds. So what is sent has explicit units.
 *
 * @module
 */

import { asciiOf, formatDuration, parseDuration, pluralize } from './durations.js';

/** @typedef {{text: string, words: string}} Control for the server; in words */

const TIME = '([\\d.:hms]+)';

/** What follows the main time, for the server and in words; `hasMain` if it can't be zero. */
const SYNTAXES = [
  { syntax: '', text: () => '', words: () => '', hasMain: true },
  {
    syntax: `\\+${TIME}`,
    text: (/** @type {string} */ one) => `+${notation(one)}`,
    words: (/** @type {string} */ one) => `plus ${inWords(one)} per move`,
    hasMain: true,
  },
  {
    syntax: `\\+(\\d+)x${TIME}`,
    text: (/** @type {string} */ one, /** @type {string} */ two) => `+${one}x${notation(two)}`,
    words: (/** @type {string} */ one, /** @type {string} */ two) =>
      `${pluralize(+one, 'period')} of ${inWords(two)}`,
    hasMain: false,
  },
  {
    syntax: `\\+(\\d+)/${TIME}`,
    text: (/** @type {string} */ one, /** @type {string} */ two) => `+${one}/${notation(two)}`,
    words: (/** @type {string} */ one, /** @type {string} */ two) =>
      `${pluralize(+one, 'turn')} every ${inWords(two)}`,
    hasMain: false,
  },
  {
    syntax: ` d${TIME}`,
    text: (/** @type {string} */ one) => ` d${notation(one)}`,
    words: (/** @type {string} */ one) => `with a delay of ${inWords(one)} per move`,
    hasMain: true,
  },
  {
    syntax: ` b${TIME}`,
    text: (/** @type {string} */ one) => ` b${notation(one)}`,
    words: (/** @type {string} */ one) => `up to ${inWords(one)} returned per move`,
    hasMain: true,
  },
];

const HOURGLASS_WORDS = 'time used by one is added to the other';

/**
 * @param {string} text
 * @returns {Control | null}
 */
export function parseTimeControl(text) {
  const normalized = asciiOf(text)
    .replace(/\s*([+x/*|;])\s*/g, '$1')
    .replace(/\s+/g, ' ')
    .replace('|', '+')
    // As US federations write it: the game in 60 minutes; delay or increment.
    .replace(/^g\/([^;]+)$/, '$1')
    .replace(/^g\/([^;]+);d ?/, '$1 d')
    .replace(/^g\/([^;]+);(?:\+|inc ?)/, '$1+');
  if (normalized.startsWith('*')) {
    const ms = parseDuration(normalized.slice(1));
    return ms ? { text: `*${write(ms)}`, words: `${each(ms)}, ${HOURGLASS_WORDS}` } : null;
  }
  for (const { syntax, text: rest, words, hasMain } of SYNTAXES) {
    const match = new RegExp(`^${TIME}${syntax}$`).exec(normalized);
    if (!match) continue;
    const [, main = '', one = '', two = ''] = match;
    const ms = parseDuration(main);
    const last = two || one;
    if (ms === null || (hasMain && !ms) || (last && parseDuration(last, 's') === null)) return null;
    const follows = words(one, two);
    const then = hasMain || !ms ? follows : `then ${follows}`;
    return {
      text: write(ms) + rest(one, two),
      words: [each(ms), then].filter(Boolean).join(', '),
    };
  }
  return null;
}

/** @param {number} ms */
const each = (ms) => (ms ? `${formatDuration(ms)} each` : 'No main time');

/** @param {string} time in seconds, unless it has a unit */
const inWords = (time) => formatDuration(parseDuration(time, 's') ?? 0);

/** @param {string} time in seconds, unless it has a unit */
const notation = (time) => write(parseDuration(time, 's') ?? 0);

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
