/**
 * Parses time controls as players write them. Pure.
 *
 * Players write `5+3` for five minutes and three seconds; for the server, every plain number is
 * seconds.
 *
 * @module
 */

import { formatDuration, parseDuration, pluralize } from './durations.js';

/** @typedef {{text: string, words: string}} Control for the server; in words */

const TIME = '(\\d+[hms\\d]*)';

/** @type {[string, (one: string, two: string) => string][]} */
const SYNTAXES = [
  [TIME, () => ''],
  [`${TIME}\\+${TIME}`, (one) => `, ${seconds(one)} added after each turn`],
  [
    `${TIME}\\+(\\d+)x${TIME}`,
    (one, two) => `, then ${pluralize(+one, 'period')} of ${seconds(two)}`,
  ],
  [
    `${TIME}\\+(\\d+)/${TIME}`,
    (one, two) => `, then ${pluralize(+one, 'turn')} every ${seconds(two)}`,
  ],
  [`${TIME} d${TIME}`, (one) => `, with a delay of ${seconds(one)} per turn`],
  [`${TIME} b${TIME}`, (one) => `, up to ${seconds(one)} returned per turn`],
  [`\\*${TIME}`, () => ', time used by one is added to the other'],
];

/**
 * @param {string} text
 * @returns {Control | null}
 */
export function parseTimeControl(text) {
  const normalized = text
    .trim()
    .toLowerCase()
    .replace(/\s*([+x/*])\s*/g, '$1')
    .replace(/\s+/g, ' ');
  for (const [syntax, describe] of SYNTAXES) {
    const match = new RegExp(`^${syntax}$`).exec(normalized);
    if (!match) continue;
    const [, main = '', one = '', two = ''] = match;
    const minutes = /^\d+$/.test(main) ? `${main}m` : main;
    const ms = parseDuration(minutes);
    if (!ms) return null;
    return {
      text: normalized.replace(main, minutes),
      words: `${formatDuration(ms)} each${describe(one, two)}`,
    };
  }
  return null;
}

/** @param {string} time */
const seconds = (time) =>
  formatDuration(parseDuration(/^\d+$/.test(time) ? `${time}s` : time) ?? 0);
