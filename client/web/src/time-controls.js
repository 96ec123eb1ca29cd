/**
 * Time controls as players write them, made ready for the server and put into words.
 *
 * Values in, values out. Players write `5+3` for five minutes and three
 * seconds; the server takes a bare number for seconds, wherever it stands.
 *
 * @module
 */

import { counted, inWords, readDuration } from './durations.js';

/** @typedef {{text: string, words: string}} Control what the server is sent; what it means */

const TIME = '(\\d+[hms\\d]*)';

/** @type {[string, (one: string, two: string) => string][]} */
const FORMS = [
  [TIME, () => ''],
  [`${TIME}\\+${TIME}`, (one) => `, ${seconds(one)} added after every turn`],
  [
    `${TIME}\\+(\\d+)x${TIME}`,
    (one, two) => `, then ${counted(+one, 'period')} of ${seconds(two)}`,
  ],
  [
    `${TIME}\\+(\\d+)/${TIME}`,
    (one, two) => `, then ${counted(+one, 'turn')} every ${seconds(two)}`,
  ],
  [`${TIME} d${TIME}`, (one) => `, running only after ${seconds(one)} of a turn`],
  [`${TIME} b${TIME}`, (one) => `, up to ${seconds(one)} of a turn given back`],
  [`\\*${TIME}`, () => ', and what one uses the other gains'],
];

/**
 * @param {string} text
 * @returns {Control | null}
 */
export function readControl(text) {
  const written = text
    .trim()
    .toLowerCase()
    .replace(/\s*([+x/*])\s*/g, '$1')
    .replace(/\s+/g, ' ');
  for (const [form, more] of FORMS) {
    const found = new RegExp(`^${form}$`).exec(written);
    if (!found) continue;
    const [, main = '', one = '', two = ''] = found;
    const minutes = /^\d+$/.test(main) ? `${main}m` : main;
    const ms = readDuration(minutes);
    if (!ms) return null;
    return { text: written.replace(main, minutes), words: `${inWords(ms)} each${more(one, two)}` };
  }
  return null;
}

/** @param {string} time */
const seconds = (time) => inWords(readDuration(/^\d+$/.test(time) ? `${time}s` : time) ?? 0);
