/**
 * Parses durations, and formats them in words. Pure.
 *
 * @module
 */

const UNITS_MS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000 };

/** Fractions and signs of other scripts, as they are written here. @type {Record<string, string>} */
const SIGNS = {
  '¼': '.25',
  '½': '.5',
  '¾': '.75',
  '٫': '.',
  '،': ',',
  '؛': ';',
  '、': ',',
  '×': 'x',
};

/**
 * The text with ASCII digits and signs, whichever script it is written in: a keyboard of another
 * script types that script's digits.
 *
 * @param {string} text
 */
export function asciiOf(text) {
  return text
    .replace(/[\uff01-\uff5e]/g, (sign) => String.fromCharCode(sign.charCodeAt(0) - 0xfee0))
    .replace(/\p{Nd}/gu, (digit) => String(digitValue(digit)))
    .replace(/[¼½¾٫،؛、×]/g, (sign) => SIGNS[sign] ?? sign)
    .trim()
    .toLowerCase();
}

/**
 * In Unicode, the ten digits of a script follow each other.
 *
 * @param {string} digit
 */
function digitValue(digit) {
  const code = digit.codePointAt(0) ?? 0;
  let before = 0;
  while (/\p{Nd}/u.test(String.fromCodePoint(code - before - 1))) before += 1;
  return before % 10;
}

/**
 * `5` (minutes), `2.5`, `90s`, `1h30m`, `7d`, `2:30` or `1:00:00`.
 *
 * @param {string} text
 * @param {'m' | 's'} [unit] of a plain number
 * @returns {number | null} milliseconds
 */
export function parseDuration(text, unit = 'm') {
  const compact = asciiOf(text).replace(/\s+/g, '').replace(',', '.');
  if (/^\d+(:\d\d){1,2}$/.test(compact)) {
    return compact.split(':').reduce((sum, part) => sum * 60 + Number(part), 0) * UNITS_MS.s;
  }
  const number = '(\\d+(?:\\.\\d+)?|\\.\\d+)';
  const plain = new RegExp(`^${number}$`).exec(compact);
  if (plain) return Math.round(Number(plain[1]) * UNITS_MS[unit]);
  const units = /** @type {(keyof typeof UNITS_MS)[]} */ (Object.keys(UNITS_MS));
  const syntax = units.map((unit) => `(?:${number}${unit})?`).join('');
  const parts = new RegExp(`^${syntax}$`).exec(compact);
  if (!parts || !compact) return null;
  return Math.round(
    units.reduce((sum, unit, index) => sum + Number(parts[index + 1] ?? 0) * UNITS_MS[unit], 0),
  );
}

/**
 * In words, as `1 hour 30 minutes` or `1 day 1 hour`; below ten seconds in tenths, as `2.5 seconds`.
 *
 * @param {number} ms
 */
export function formatDuration(ms) {
  if (ms > 0 && ms < 10_000) {
    return pluralize(Math.max(1, Math.round(ms / 100)) / 10, 'second');
  }
  const seconds = Math.round(ms / 1_000);
  /** @type {[number, string][]} */
  const parts = [
    [Math.floor(seconds / 86_400), 'day'],
    [Math.floor(seconds / 3_600) % 24, 'hour'],
    [Math.floor(seconds / 60) % 60, 'minute'],
    [seconds % 60, 'second'],
  ];
  const words = parts.filter(([count]) => count).map(([count, unit]) => pluralize(count, unit));
  return words.join(' ') || '0 seconds';
}

/**
 * @param {number} count
 * @param {string} unit
 */
export function pluralize(count, unit) {
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}
